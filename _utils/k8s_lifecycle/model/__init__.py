"""What a cluster should be and what it is; imports neither Salt nor the Kubernetes client."""
