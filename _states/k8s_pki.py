"""The leaf certificates of a control plane server, as highstate sees to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.certificates import Certificate, Pki, is_due
from k8s_lifecycle.model.facts import Member
from k8s_lifecycle.model.quorum import Act, prove
from k8s_lifecycle.server import metrics_proxy

__virtualname__ = "k8s_pki"
__opts__: dict[str, Any]
__salt__: Any

_LOCKED_SECONDS = 600


def leaf_certificates_valid(name: str, assignment: Mapping[str, Any]) -> dict[str, Any]:
    """Report leaf certificates that are to be renewed; in a maintenance window of the spec, renew them.

    They are to be when they expire within 30 days, or a third of their life if that is less, when they are
    not whole, or not in effect. The windows are ``maintenance.windows``. One control plane is renewed at a
    time, and only while etcd has a quorum without it: the others leave it to their next highstate. Outside a
    window it only reports, and ``k8s.rotate_certs`` renews.

    It fails if one has expired or is not whole, and if a renewal fails; those of before are back then.

    name
        Anything; shown in the output.
    assignment
        The server's place in its cluster: the pillar ``k8s``.

    ``changes`` holds each certificate that was renewed: when it expired, and when it does now.

    .. code-block:: yaml

        k8s-certificates:
          k8s_pki.leaf_certificates_valid:
            - assignment: {{ pillar['k8s'] | json }}
    """
    now, spec = datetime.now(UTC), specs.from_dict(assignment["spec"])
    before = Pki.read(__salt__["k8s_pki.report"]())
    due = [one for one in before.leaves if is_due(one, spec, now.timestamp())]
    told = _told(before, due)
    if not told:
        return _result(name, True, "No leaf certificate is to be renewed")
    if before.external or not spec.maintenance.is_open(now):
        valid = all(one.whole and one.expires > now.timestamp() for one in due)
        return _result(name, valid, f"{told}: run `salt-run k8s.rotate_certs {spec.name}`")
    if __opts__["test"]:
        return _result(name, None, f"{told}: they would be renewed", _changes(due, due))
    try:
        good, said = _under_lock(spec)
    except CommandExecutionError as error:
        return _result(name, False, str(error))
    after = Pki.read(__salt__["k8s_pki.report"]())
    return _result(name, good, f"{told}: {said}", _changes(due, list(after.leaves)))


def metrics_proxy_certificate(name: str) -> dict[str, Any]:
    """Ensure that the proxy of metrics on this control plane server has a certificate of the cluster's CA.

    It is valid for 90 days and made anew when 30 are left. It is none of kubeadm's: ``k8s.rotate_certs`` does
    not touch it. It fails where the CA's key is elsewhere and the site has put none there.

    name
        Anything; shown in the output.

    ``changes`` holds ``certificate`` (old: why the one there is not good, new: ``made``).

    .. code-block:: yaml

        k8s-metrics-proxy-certificate:
          k8s_pki.metrics_proxy_certificate
    """
    if not (wrong := metrics_proxy.wrong()):
        return _result(name, True, f"{metrics_proxy.CERTIFICATE} is good")
    changes = {"certificate": {"old": wrong, "new": "made"}}
    if __opts__["test"]:
        return _result(name, None, "it would be made", changes)
    try:
        metrics_proxy.make()
    except (HostError, OSError, ValueError) as error:
        return _result(name, False, str(error))
    wrong = metrics_proxy.wrong()
    return _result(name, not wrong, f"still {wrong}" if wrong else "it was made", changes)


def _told(pki: Pki, due: list[Certificate]) -> str:
    """Return what is the matter, in words; empty where nothing is."""
    words = [f"to be renewed: {', '.join(one.name for one in due)}"] if due else []
    words += [f"with certificates from before: {', '.join(stale)}"] if (stale := pki.stale()) else []
    return "; ".join([*words, *(["a renewal was cut off"] if pki.staged else [])])


def _under_lock(spec: specs.Spec) -> tuple[bool, str]:
    """Renew this server's under the cluster's Lease; return whether all is well, and what was done."""
    holder = f"highstate of {__opts__['id']}"
    fence = __salt__["k8s_server.facts"]()["fence"] + 1
    taken = __salt__["k8s_lock.acquire"](spec.name, holder, fence, _LOCKED_SECONDS)
    try:
        if not (taken["mine"] and taken["lease"]):
            return True, "the cluster's lock is not to be had, and the next highstate looks again"
        if refusal := _refusal(spec):
            return False, f"not renewed: {refusal}"
        failed = _renew(spec, fence)
        return not failed, failed or "renewed"
    finally:
        __salt__["k8s_lock.release"](spec.name, holder)


def _renew(spec: specs.Spec, fence: int) -> str:
    """Renew this server's; return what went wrong, empty if nothing did."""
    backup = __salt__["k8s_pki.renew"](fence, spec.to_dict())["backup"]
    try:
        left = __salt__["k8s_pki.wait_served"]()
        if not left:
            __salt__["k8s_pki.restart"](fence)
            return ""
        failed = f"{', '.join(left)} is not as it should be with the new ones"
    except CommandExecutionError as error:
        failed = str(error)
    back = __salt__["k8s_pki.put_back"](fence, backup)["failed"]
    return f"{failed}; the certificates of before are back{f', but {back}' if back else ''}"


def _refusal(spec: specs.Spec) -> str:
    """Return why etcd needs this member now; a cluster of one has no quorum to keep."""
    members = [Member.read(one) for one in __salt__["k8s_etcd.members"]()["members"]]
    proof = prove(members, Act.STOP, spec.node_name(__opts__["id"]))
    return "" if proof or len(members) == 1 else "; ".join(proof.reasons)


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
