"""Wait for a condition, no longer than agreed, and say what was waited for."""

import time
from collections.abc import Callable

from .errors import LabError, PermanentError


def wait_until(what: str, condition: Callable[[], bool], seconds: float, interval: float = 0.1) -> None:
    """Return once the condition holds; raise after the deadline, naming what never came.

    A condition may raise LabError to say why it does not hold yet; the last reason ends up in the message.
    """
    deadline = time.monotonic() + seconds
    while True:
        reason = ""
        try:
            if condition():
                return
        except PermanentError:
            raise
        except LabError as error:
            reason = f"\n  {error}"
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:g} s for: {what}{reason}")
        time.sleep(interval)
