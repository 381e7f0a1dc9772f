"""The pure core of the Kubernetes lifecycle: what is wanted, what is there, what to do about it."""
