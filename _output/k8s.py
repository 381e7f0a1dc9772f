"""Show the reports of the ``k8s`` runner to people; ``--out=json`` shows the same data to programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

Data = Mapping[str, Any]


def __virtual__() -> str:
    return "k8s"


def output(data: Any, **_kwargs: Any) -> str:
    """
    Return a report as text.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.plan dc1-prod --out=k8s
    """
    if not isinstance(data, Mapping):
        return str(data)
    if "error" in data:
        return f"refused: {data['error']}" if data.get("retcode") == 2 else f"failed: {data['error']}"  # noqa: PLR2004
    if "clusters" in data and data["view"] in OF_ONE_CLUSTER:
        return "\n\n".join(output({"view": data["view"], **report}) for report in data["clusters"].values())
    return "\n".join(VIEWS[data["view"]](data))


def _validate(data: Data) -> Iterator[str]:
    yield from data["problems"]
    if not data["problems"]:
        yield f"valid: {', '.join(data['clusters']) or 'no cluster matches'}"


def _plan(data: Data) -> Iterator[str]:
    for number, wave in enumerate(data["waves"], 1):
        at_once = f", {wave['at once']} at once" if wave["at once"] > 1 else ""
        beside = ", beside those before" if wave["beside"] else ""
        yield f"wave {number}: {wave['wave']} ({len(wave['steps'])} steps{at_once}{beside})"
        for step in wave["steps"]:
            yield f"  {step['verb']:20} {step['server']:20} {step['reason']}"
    if data["partial"]:
        yield "then it looks again and plans the rest"
    if not (data["waves"] or data["refusals"]):
        yield f"{data['cluster']}: nothing to do"
    yield from _obstacles(data)


def _obstacles(data: Data) -> Iterator[str]:
    for refusal in data["refusals"]:
        yield f"refused: {refusal}"
    for server, why in data["blocked"].items():
        yield f"blocked: {server}: {why}"
    for note in data["notes"]:
        yield f"note: {note}"


def _run(data: Data) -> Iterator[str]:
    failed = [step for step in data["steps"] if "failed" in step]
    took = f"{len(data['steps'])} steps, {len(failed)} failed (run {data['run']})"
    yield f"{data['cluster']}: {data['operation']} {'is done' if data['ok'] else 'is not done'}: {took}"
    for step in failed:
        yield f"failed: {step['verb']} {step['failed']}"
    if data["failure"]:
        yield f"failed: {data['failure']}"
    yield from _obstacles(data)


def _status(data: Data) -> Iterator[str]:
    for name, cluster in data["clusters"].items():
        healthy = "healthy" if cluster["healthy"] else "not healthy"
        yield f"{name}: {healthy}, version {cluster['version'] or 'unknown'}"
        for server, is_ in cluster["servers"].items():
            place = is_["pool"] or is_["role"]
            mark = " " if is_["ok"] else "!"
            node = f"{is_['node'] or '-':10} {is_['version'] or '-':10}"
            yield f"{mark} {server:20} {place:15} {node} {is_['server']}"
            yield from _hold(is_)
        for member, state in cluster["etcd"].items():
            yield f"{' ' if state == 'voter' else '!'} {member:20} etcd {state}"
        if cluster["lock"]:
            yield f"  locked by {cluster['lock']}"
        for drift in cluster["drift"]:
            yield f"! drift: {drift}"


def _hold(server: Data) -> Iterator[str]:
    hold = server["hold"]
    if hold:
        who = f"{hold['who']}, run {hold['run']}" if hold["run"] else hold["who"]
        yield f"  {'':20} held by {hold['operation']} until {hold['until']} ({who}): {hold['reason']}"
    elif server["schedulable"] is False:
        yield f"  {'':20} cordoned, held by nobody"


def _verify(data: Data) -> Iterator[str]:
    yield f"{data['cluster']}:"
    for check in data["checks"]:
        yield f"{'ok  ' if check['ok'] else 'FAIL'} {check['what']:30} {check['detail']}"


def _certificates(data: Data) -> Iterator[str]:
    yield f"{data['cluster']}: {len(data['certificates'])} certificates, {len(data['warnings'])} warnings"
    for row in data["certificates"]:
        what = f"{row['name'] or row['subject']}{' (CA)' if row['authority'] else ''}"
        yield f"  {row['expires']} {row['days']:8} d  {row['server']:20} {what:28} {row['where']}"
    for warning in data["warnings"]:
        yield f"! {warning}"
    for server, authorities in data["external"].items():
        yield f"  {server}: the key of {', '.join(authorities)} is outside the cluster: renew there"


def _deregister(data: Data) -> Iterator[str]:
    for server, found in data["servers"].items():
        gone = [f"{', '.join(what)} in {name}" for name, what in found.items() if what]
        yield f"{server}: {'; '.join(gone) or 'nothing was there'}"
    for datacenter, error in data["errors"].items():
        yield f"failed: {datacenter}: {error}"


def _gossip(data: Data) -> Iterator[str]:
    yield f"done: {', '.join(data['steps']) or 'nothing was left to do'}"
    for refusal in data["refusals"]:
        yield f"refused: {refusal}"


def _restarts(data: Data) -> Iterator[str]:
    said = "to be restarted, in this order" if data["test"] else "restarted"
    yield f"{said}: {', '.join(data['servers']) or 'none'}"
    for refusal in data["refusals"]:
        yield f"refused: {refusal}"


def _inventory(data: Data) -> Iterator[str]:
    for problem in data["problems"]:
        yield f"! {problem}"
    columns = list(zip(*map(_cells, data["servers"]), strict=True))
    widths = [min(WIDEST, max(map(len, column))) for column in columns]
    for server in data["servers"]:
        cells = (
            cell.ljust(width) if len(cell) <= width else f"{cell[: width - 1]}…"
            for cell, width in zip(_cells(server), widths, strict=True)
        )
        yield f"{MARKS[server['severity']]} {'  '.join(cells)}".rstrip()
        yield from _drift(server)
    for cluster in data["clusters"]:
        by = f", {cluster['provider']} ({cluster['owner']})" if cluster["external"] else ""
        ready = f"{cluster['ready']} of {cluster['nodes']} nodes Ready"
        nodes = "" if cluster["nodes"] is None else f", {ready}"
        where = f"{cluster['datacenter']} {cluster['environment']}{by}"
        version = cluster["version"] or "unknown"
        yield f"{MARKS[cluster['severity']]} cluster {cluster['name']}: {where}, version {version}{nodes}"
        yield from _drift(cluster)
    counted = Counter(server["severity"] for server in data["servers"])
    yield (
        f"{len(data['servers'])} servers, {len(data['clusters'])} clusters: "
        f"{counted['critical']} servers critical (!), {counted['warning']} with a warning (?)"
    )


def _cells(server: Data) -> tuple[str, ...]:
    """Return the columns of one server; the last one is for a server that said nothing."""
    place = server["cluster"] or f"{server['datacenter'] or '-'} {server['environment'] or '-'}"
    cores, memory, days = server["cores"], server["memory_gib"], server["certificate_days"]
    hours = server["highstate_hours"]
    state = server["state"] if server["state"] != "answers" else ""
    return (
        server["server"],
        place,
        server["pool"] or server["role"] or "-",
        server["node"] or "-",
        server["kubelet"] or "-",
        server["os"] or "-",
        f"{cores} cores {memory or '?'} GiB" if cores else "-",
        "-" if days is None else f"cert {days:.0f} d",
        "-" if hours is None else f"highstate {server['highstate']} {hours:.0f} h",
        f"{state}{', last seen ' + server['seen'] if state and server['seen'] else ''}",
    )


def _drift(one: Data) -> Iterator[str]:
    for drift in one["drift"]:
        yield f"    {MARKS[drift['severity']]} {drift['what']} — {drift['remedy']}"


def _written(data: Data) -> Iterator[str]:
    yield f"{data['written']}: {data['servers']} servers"


WIDEST = 40
MARKS = {"critical": "!", "warning": "?", "": " "}
OF_ONE_CLUSTER = {"plan", "run", "verify", "certificates"}
VIEWS = {
    "deregister": _deregister,
    "gossip": _gossip,
    "restarts": _restarts,
    "validate": _validate,
    "plan": _plan,
    "run": _run,
    "status": _status,
    "verify": _verify,
    "certificates": _certificates,
    "inventory": _inventory,
    "written": _written,
}
