"""What one server is told, and what it is seen to be."""
