"""The exceptions that the command line turns into a message instead of a traceback."""


class LabError(Exception):
    """Something the person at the keyboard can act on: what was tried, what it said, what to do."""


class PermanentError(LabError):
    """An error that waiting longer cannot mend."""
