"""The leaf certificates of a control plane server, as highstate sees to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.certificates import DAY, Certificate, Pki

__virtualname__ = "k8s_pki"
__opts__: dict[str, Any]
__salt__: Any

_LOCKED_SECONDS = 600


def leaf_certificates_valid(name: str, assignment: Mapping[str, Any], days: float = 30) -> dict[str, Any]:
    """Report leaf certificates that expire soon; in a maintenance window of the spec, renew them.

    The windows are ``maintenance.windows``. One control plane is renewed at a time: the others leave it to
    their next highstate. Outside a window it only reports, and ``k8s.rotate_certs`` renews.

    It fails if one has expired or is not whole, and if a renewal fails; those of before are back then.

    name
        Anything; shown in the output.
    assignment
        The server's place in its cluster: the pillar ``k8s``.
    days
        For how many days ahead an expiry counts as soon. Default: 30.

    ``changes`` holds each certificate that was renewed: when it expired, and when it does now.

    .. code-block:: yaml

        k8s-certificates:
          k8s_pki.leaf_certificates_valid:
            - assignment: {{ pillar['k8s'] | json }}
    """
    now = datetime.now(UTC)
    before = Pki.read(__salt__["k8s_pki.report"]())
    due = [one for one in before.leaves if not one.whole or one.expires - now.timestamp() < days * DAY]
    if not due:
        return _result(name, True, "No leaf certificate expires soon")
    told = f"{', '.join(one.name for one in due)} expire within {days:g} days, or are not whole"
    spec = specs.from_dict(assignment["spec"])
    if before.external_ca or not spec.maintenance.is_open(now):
        valid = all(one.whole and one.expires > now.timestamp() for one in due)
        remedy = f"run `salt-run k8s.rotate_certs {spec.name}`"
        return _result(name, valid, f"{told}: {remedy}")
    if __opts__["test"]:
        return _result(name, None, f"{told}: they would be renewed", _changes(due, due))
    try:
        failed = _renew(spec)
    except CommandExecutionError as error:
        return _result(name, False, str(error))
    if failed is None:
        return _result(name, True, f"{told}: another run is at work, and the next highstate looks again")
    after = Pki.read(__salt__["k8s_pki.report"]())
    return _result(name, not failed, failed or f"{told}: renewed", _changes(due, list(after.leaves)))


def _renew(spec: specs.Spec) -> str | None:
    """Renew this server's under the cluster's lock; return what went wrong, None if the lock is another's."""
    holder = f"highstate of {__opts__['id']}"
    fence = __salt__["k8s_server.facts"]()["fence"] + 1
    if not __salt__["k8s_lock.acquire"](spec.name, holder, fence, _LOCKED_SECONDS)["mine"]:
        return None
    try:
        backup = __salt__["k8s_pki.renew"](fence, spec.to_dict())["backup"]
        try:
            left = __salt__["k8s_pki.wait_served"]()
            __salt__["k8s_pki.restart"](fence)
        except CommandExecutionError as error:
            __salt__["k8s_pki.put_back"](fence, backup)
            return f"{error}; the certificates of before are back"
        return f"{', '.join(left)} still shows the old certificate" if left else ""
    finally:
        __salt__["k8s_lock.release"](spec.name, holder)


def _changes(before: list[Certificate], after: list[Certificate]) -> dict[str, Any]:
    now = {one.name: one.expires for one in after}
    return {
        one.name: {"old": _day(one.expires), "new": _day(now[one.name])}
        for one in before
        if now.get(one.name) != one.expires or __opts__["test"]
    }


def _day(expires: float) -> str:
    return datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%d")


def _result(
    name: str, result: bool | None, comment: str, changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
