"""Consul on this server: its agent, and on a Consul server the access to its datacenter."""
