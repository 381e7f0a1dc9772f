"""Redis and MariaDB outside Kubernetes: what they do is measured, and no password is to be seen."""

from __future__ import annotations

import json

from asking import ENOUGH, OUTSIDE, query, secrets_of
from lab_session import Lab, wait_until
from witness import Witness

# Where secrets are kept, readable for one user alone: the pillar of each minion by the master, which
# docs/discovery.md says, and its own credentials by each server.
KEPT = ("/var/cache/salt/master/pillar/", "/var/lib/k8s-lifecycle/consul.json")


def test_their_metrics_arrive(sites: Lab, services: None) -> None:
    def value(expression: str) -> float:
        found = query(sites, "dc1", f'{expression}{{instance="{OUTSIDE}"}}')
        return float(found[0]["value"][1]) if found else 0

    wait_until("Redis to be measured", lambda: value("redis_up") == 1, ENOUGH)
    wait_until("MariaDB to be measured", lambda: value("mysql_up") == 1, ENOUGH)
    assert value("redis_memory_used_bytes") > 0
    assert value("mysql_global_status_uptime") > 0


def test_no_secret_is_to_be_seen_anywhere(sites: Lab, services: None, witness: Witness) -> None:
    """Logs at debug level, job caches, the event bus, command lines, journals, and what everyone can read."""
    kept = sites("exec", OUTSIDE, "--", "cat", "/var/lib/k8s-lifecycle/consul.json").stdout
    consul, outside = secrets_of("dc1-cp-1")["consul"], secrets_of(OUTSIDE)
    monitoring = secrets_of("dc2-mon-1")["prometheus"]
    key = "/etc/prometheus/k8s/clusters/client.key"
    found = witness.found(
        json.loads(kept)["token"],
        sites("exec", "dc2-mon-1", "--", "cat", key).stdout.splitlines()[1],
        consul["gossip_key"],
        consul["management_token"],
        monitoring["node_exporter"],
        monitoring["password"],
        monitoring["central"]["password"],
        *(account["password"] for account in outside["exporters"].values()),
    )
    assert [line for line in found if not line.partition(": ")[2].startswith(KEPT)] == []
