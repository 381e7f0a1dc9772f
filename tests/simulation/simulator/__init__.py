"""A simulated fleet: servers, kubeadm, etcd and the API on one virtual clock. Nothing here is real.

What is real in these tests is the runner's core: spec, facts, decisions, scheduler, steps, lock. It calls the
same functions with the same arguments as on Salt's bus; they answer from a model of what kubeadm, etcd and
our execution modules do (read from their sources), with the faults that a datacenter has.
"""
