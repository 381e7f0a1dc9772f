"""Whom Prometheus asks, from Consul's catalogue and clusters' APIs: Debian's Prometheus asks neither itself.

A timer runs it on Prometheus servers, by Salt's own Python. It puts a file for each job into place as a
whole, with all servers that are registered and all pods of CoreDNS, well or not: one that is down must be
missed. Where nobody answers, files stay as they are, and their age tells Prometheus so.
"""

from __future__ import annotations

import fnmatch
import functools
import itertools
import json
import os
import ssl
import sys
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TIMEOUT = 10.0
# Of an answer: that of five thousand servers is less than half as much.
LARGEST = 16 << 20
# Of the node's own registration, which follows from the minion id.
PLACE = ("environment", "cluster", "role", "pool")
# A node that stands for a cluster is no server.
NO_SERVER = "k8s_"
PODS = "/api/v1/namespaces/kube-system/pods"
DNS = {"labelSelector": "k8s-app=kube-dns"}
ENDED = ("Succeeded", "Failed")

Target = dict[str, Any]


def targets(nodes: Iterable[Mapping[str, Any]], asked: Iterable[Mapping[str, Any]]) -> list[Target]:
    """Return what Prometheus reads: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config

    nodes: those of Consul's catalogue. asked: which servers are asked, and at which port. A node is written
    by its own server alone; services are not looked at, since others may write them, too.
    """
    found = []
    for node, one in itertools.product(nodes, asked):
        if node["Node"].startswith(NO_SERVER) or not named(one["servers"], node["Node"]):
            continue
        meta = node.get("Meta") or {}
        labels = {"instance": node["Node"], "datacenter": node["Datacenter"]}
        place = {name: meta[name] for name in PLACE if meta.get(name)}
        found.append({"targets": [f"{node['Address']}:{one['port']}"], "labels": {**labels, **place}})
    return sorted(found, key=lambda one: str(one["labels"]["instance"]))


def named(patterns: Collection[str], server: str) -> bool:
    """Tell whether ids or globs name a server."""
    return server in patterns or any(fnmatch.fnmatchcase(server, pattern) for pattern in patterns)


def pods(found: Iterable[Mapping[str, Any]], cluster: Mapping[str, str], port: int) -> list[Target]:
    """Return pods of a cluster, to be asked through its API server: they are in a network of their own."""
    labels = {name: cluster[name] for name in ("environment", "datacenter")} | {"cluster": cluster["name"]}
    return [
        {
            "targets": [cluster["api"]],
            "labels": {
                **labels,
                "instance": pod["metadata"]["name"],
                "node": pod["spec"].get("nodeName", ""),
                "__metrics_path__": f"{PODS}/{pod['metadata']['name']}:{port}/proxy/metrics",
            },
        }
        for pod in sorted(found, key=lambda one: str(one["metadata"]["name"]))
        if pod.get("status", {}).get("phase") not in ENDED and "deletionTimestamp" not in pod["metadata"]
    ]


def registered(consul: str) -> list[dict[str, Any]]:
    """Return the nodes that Consul has."""
    # Without a leader any Consul server will do: what it knew last is better than nothing.
    found: list[dict[str, Any]] = _answer(f"{consul}/v1/catalog/nodes?stale")
    return found


def dns(cluster: Mapping[str, str], key: str, port: int) -> list[Target]:
    """Return the pods of CoreDNS in a cluster."""
    context = ssl.create_default_context(cafile=cluster["authority"])
    context.load_cert_chain(cluster["certificate"], key)
    url = f"https://{cluster['api']}{PODS}?{urllib.parse.urlencode(DNS)}"
    return pods(_answer(url, context)["items"], cluster, port)


def main(configuration: str) -> int:
    """Write the files of jobs, as a configuration (JSON) says; return 1 if Consul does not answer, else 0.

    A cluster that does not answer may not be there yet; that one is down, its API servers' own targets tell.
    """
    asked = json.loads(Path(configuration).read_text(encoding="utf-8"))
    with ThreadPoolExecutor() as side_by_side:
        clusters = side_by_side.map(functools.partial(_cluster, asked), asked["clusters"])
        failed = _consul(asked)
        list(clusters)
    return failed


def _consul(asked: Mapping[str, Any]) -> int:
    try:
        nodes = registered(asked["consul"])
    except OSError as error:
        print(f"Consul does not tell of servers: {error}", file=sys.stderr)
        return 1
    for job, whom in asked["jobs"].items():
        _write(Path(asked["directory"], f"{job}.json"), targets(nodes, whom))
    return 0


def _cluster(asked: Mapping[str, Any], cluster: Mapping[str, str]) -> None:
    try:
        found = dns({**cluster, "datacenter": asked["datacenter"]}, asked["key"], asked["dns_port"])
    except OSError as error:
        print(f"{cluster['name']} does not tell its pods of CoreDNS: {error}", file=sys.stderr)
        return
    _write(Path(asked["directory"], f"coredns-{cluster['name']}.json"), found)


def _answer(url: str, context: ssl.SSLContext | None = None) -> Any:
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with urllib.request.build_opener(*handlers).open(url, timeout=TIMEOUT) as answer:
        content = answer.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(f"it says more than {LARGEST >> 20} MiB")
    return json.loads(content)


def _write(goal: Path, found: list[Target]) -> None:
    draft = goal.with_name(f".{goal.name}.new")
    draft.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(goal)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(*sys.argv[1:]))
