"""No grain: what nearly every job on a control plane imports, imported once, before the job begins.

A minion forks for each job, and forgets what that one imported. Loading grains is the only time at which Salt
lets an extension into the minion's main process: when it starts, and when its modules are refreshed. Only a
package of others is imported: code of this project's own would then stay as it was, whatever is synchronised.
Another version of the package takes effect when the minion starts again.
"""

from __future__ import annotations

from typing import Any

__opts__: dict[str, Any]


def __virtual__() -> tuple[bool, str]:
    if __opts__["__role"] == "minion":  # the master's commands load grains, too, and do not want it
        _preload()
    return False, "it is no grain"


def _preload() -> None:
    try:
        from kubernetes import client  # noqa: PLC0415

        _ = client.ApiClient, client.Configuration  # the package imports each when it is first used
    except Exception:  # none here, or a broken one: who uses it tells better
        return
