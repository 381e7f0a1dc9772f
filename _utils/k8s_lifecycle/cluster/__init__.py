"""What a server says to the cluster it belongs to, or joins: its API, its etcd, its admission."""
