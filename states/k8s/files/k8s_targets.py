"""Whom Prometheus asks, from Consul's catalogue: Debian's Prometheus cannot ask Consul itself.

A timer runs it on Prometheus servers, by Salt's own Python. It puts a file for each job into place as a
whole, with all servers that are registered, well or not: one that is down must be missed. Where Consul does
not answer, the files stay as they are, and their age tells Prometheus so.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TIMEOUT = 10.0
# Of the service's registration, which follows from the minion id.
PLACE = ("environment", "cluster", "role", "pool")


def targets(instances: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what Prometheus reads: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config

    instances: those of a service, as Consul's health API has them.
    """
    found = []
    for instance in instances:
        node, service = instance["Node"], instance["Service"]
        meta = service.get("Meta") or {}
        labels = {"instance": node["Node"], "datacenter": node["Datacenter"]}
        place = {name: meta[name] for name in PLACE if meta.get(name)}
        address = f"{service['Address'] or node['Address']}:{service['Port']}"
        found.append({"targets": [address], "labels": {**labels, **place}})
    return sorted(found, key=lambda one: str(one["labels"]["instance"]))


def main(consul: str, directory: str, *jobs: str) -> int:
    """Write the files of jobs, each given as JOB=SERVICE; return 1 if Consul does not answer, else 0."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for job, service in (word.split("=", 1) for word in jobs):
        # Without a leader any Consul server will do: what it knew last is better than nothing.
        url = f"{consul}/v1/health/service/{urllib.parse.quote(service)}?stale"
        try:
            with direct.open(url, timeout=TIMEOUT) as answer:
                found = targets(json.load(answer))
        except OSError as error:
            print(f"Consul does not tell who has {service}: {error}", file=sys.stderr)
            return 1
        goal = Path(directory, f"{job}.json")
        draft = goal.with_name(f".{goal.name}.new")
        draft.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(goal)
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(*sys.argv[1:]))
