"""Redis and MariaDB outside Kubernetes: what they do is measured, and no password is to be seen."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from asking import ENOUGH, OUTSIDE, query
from lab_session import ROOT, Lab, wait_until
from witness import Witness

SECRETS = ROOT / "build/secrets/secrets"
# The master keeps the pillar of each minion, readable for its own user alone: docs/discovery.md says so.
PILLAR_CACHE = "master: /var/cache/salt/master/"
# What mysqld_exporter's documentation asks for: https://github.com/prometheus/mysqld_exporter#required-grants
ACCOUNT = """
CREATE USER exporter@'127.0.0.1' IDENTIFIED BY '{}' WITH MAX_USER_CONNECTIONS 3;
GRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO exporter@'127.0.0.1';
"""


def secrets_of(server: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SECRETS / f"{server}.sls").read_text())["k8s_secrets"]
    return found


@pytest.fixture(scope="module")
def services(sites: Lab, first: dict[str, Any]) -> None:
    """The services and their accounts are the site's: the states put the exporters beside them."""
    accounts = secrets_of(OUTSIDE)["exporters"]
    sites.salt(OUTSIDE, "pkg.install", "pkgs=[redis-server, mariadb-server]", "install_recommends=False")
    sites("exec", OUTSIDE, "--", "mariadb", given=ACCOUNT.format(accounts["mysqld"]["password"]))
    password = f"requirepass {accounts['redis']['password']}\n"
    sites("exec", OUTSIDE, "--", "sh", "-c", "cat >>/etc/redis/redis.conf", given=password)
    sites("exec", OUTSIDE, "--", "systemctl", "restart", "redis-server")


def test_their_metrics_arrive(sites: Lab, services: None) -> None:
    def value(expression: str) -> float:
        found = query(sites, "dc1", f'{expression}{{instance="{OUTSIDE}"}}')
        return float(found[0]["value"][1]) if found else 0

    wait_until("Redis to be measured", lambda: value("redis_up") == 1, ENOUGH)
    wait_until("MariaDB to be measured", lambda: value("mysql_up") == 1, ENOUGH)
    assert value("redis_memory_used_bytes") > 0
    assert value("mysql_global_status_uptime") > 0


def test_no_secret_is_to_be_seen_anywhere(services: None, witness: Witness) -> None:
    """Logs at debug level, job caches, the event bus, command lines, journals, and what everyone can read."""
    consul, outside = secrets_of("dc1-cp-1")["consul"], secrets_of(OUTSIDE)
    monitoring = secrets_of("dc2-mon-1")["prometheus"]
    found = witness.found(
        consul["gossip_key"],
        consul["management_token"],
        monitoring["password"],
        monitoring["central"]["password"],
        *(account["password"] for account in outside["exporters"].values()),
    )
    assert [line for line in found if not line.startswith(PILLAR_CACHE)] == []
