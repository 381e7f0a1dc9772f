"""How an execution module fails: with the one exception that Salt shows as a message, not as a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from salt.exceptions import CommandExecutionError

from k8s_lifecycle.wording import redacted


@contextmanager
def told(tried: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into Salt's error, with what was tried and no secret in it.

    The original is not chained: Salt logs tracebacks, and their values may be secrets.
    """
    try:
        yield
    except CommandExecutionError:
        raise
    except Exception as error:  # every failure of a function is an answer to its caller
        raise CommandExecutionError(f"{tried}: {redacted(str(error) or type(error).__name__)}") from None
