"""Note the highstate that runs, for whoever asks later when this server was last converged, and how.

Salt keeps no result of a highstate on a minion. So the SLS ``k8s.highstate`` has a first and a last state
that note it in a file, which the inventory and the metrics read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.server import highstate

__virtualname__ = "k8s_highstate"
__opts__: Mapping[str, Any]
__running__: Mapping[str, Mapping[str, Any]]


def begun(name: str) -> dict[str, Any]:
    """Note that a highstate begins. It is to be the first of all states (``order: first``).

    One that does not come to its end, since it is cut off or stops at a failure, is told by that.

    name
        Anything; shown in the output.

    ``changes`` is always empty: the note is of the run, nothing of the server is changed. Under test=True it
    notes nothing.

    .. code-block:: yaml

        k8s-highstate-begun:
          k8s_highstate.begun:
            - order: first
    """
    if __opts__["test"]:
        return _answer(name, True, "a test is no highstate: nothing is noted")
    try:
        highstate.note_begun(highstate.file(__opts__), time.time())
    except OSError as error:
        return _answer(name, False, f"it could not be noted: {error}")
    return _answer(name, True, "noted")


def ended(name: str) -> dict[str, Any]:
    """Note how a highstate has ended. It is to be the last of all states (``order: last``).

    It succeeds whatever the others did. States with ``parallel`` that go on after it are not counted.

    name
        Anything; shown in the output.

    ``changes`` is always empty: the note is of the run, nothing of the server is changed. Under test=True it
    notes nothing.

    .. code-block:: yaml

        k8s-highstate-ended:
          k8s_highstate.ended:
            - order: last
    """
    if __opts__["test"]:
        return _answer(name, True, "a test is no highstate: nothing is noted")
    failed = [str(said.get("__id__", tag)) for tag, said in __running__.items() if said["result"] is False]
    try:
        highstate.note_ended(highstate.file(__opts__), time.time(), len(__running__), failed)
    except OSError as error:
        return _answer(name, False, f"it could not be noted: {error}")
    return _answer(name, True, f"noted: {len(__running__)} states, {len(failed)} failed")


def _answer(name: str, result: bool, comment: str) -> dict[str, Any]:
    return {"name": name, "result": result, "comment": comment, "changes": {}}
