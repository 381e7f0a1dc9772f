"""The error that everything which works on a host raises."""


class HostError(Exception):
    """Something that could not be done on this server, told so that an operator knows what to do next."""
