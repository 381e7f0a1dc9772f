"""Datacenters on one Linux machine: real systemd servers, bridges between them, one Salt master."""
