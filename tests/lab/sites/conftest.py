"""Two datacenters that watch themselves, from bare servers by provision and highstate alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import CLUSTER, OUTSIDE, PROMETHEUS, SERVERS, secrets_of
from lab_session import Lab, own_layout
from witness import Witness, witness_of

# What mysqld_exporter's documentation asks for: https://github.com/prometheus/mysqld_exporter#required-grants
ACCOUNT = """
CREATE OR REPLACE USER exporter@'127.0.0.1' IDENTIFIED BY '{}' WITH MAX_USER_CONNECTIONS 3;
GRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO exporter@'127.0.0.1';
"""

# Where alerts are posted to. It notes each.
RECEIVER = """
import http.server, json
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open("/run/told", "a") as told:
            for alert in said["alerts"]:
                told.write(json.dumps([alert["status"], alert["labels"]]) + "\\n")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", 5001), Receiver).serve_forever()
"""


@pytest.fixture(scope="package")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout of two datacenters, with a cluster in one, and a pillar that the tests may change."""
    layout = own_layout("sites", tmp_path_factory.mktemp("sites"))
    (layout.parent / "pillar/clusters/dc1-prod.yaml").unlink()
    return layout


@pytest.fixture(scope="package")
def sites(built: Lab, own: Path) -> Iterator[Lab]:
    """Bare servers of both; nothing is left of them afterwards."""
    with built.named("sites").up(own) as lab:
        for server in PROMETHEUS.values():
            lab("exec", server, "--", "systemd-run", "--quiet", "python3", "-c", RECEIVER)
        yield lab


witness = witness_of("sites")


@pytest.fixture(scope="package")
def first(sites: Lab, witness: Witness) -> dict[str, Any]:
    """What the first highstate returned on each server: beside a provision in dc1, after it in dc2."""
    provision = sites.start("salt-run", "k8s.provision", CLUSTER)
    try:
        returned = sites.salts([one for one in SERVERS if one.startswith("dc1")], "state.highstate")
        said, _ = provision.communicate(timeout=600)
    finally:
        provision.kill()
    assert provision.returncode == 0, said
    return returned | sites.salts([one for one in SERVERS if one.startswith("dc2")], "state.highstate")


@pytest.fixture(scope="package")
def services(sites: Lab, first: dict[str, Any]) -> None:
    """The services and their accounts are the site's: the states put the exporters beside them."""
    accounts = secrets_of(OUTSIDE)["exporters"]
    sites.salt(OUTSIDE, "pkg.install", "pkgs=[redis-server, mariadb-server]", "install_recommends=False")
    sites("exec", OUTSIDE, "--", "mariadb", given=ACCOUNT.format(accounts["mysqld"]["password"]))
    password = f"requirepass {accounts['redis']['password']}\n"
    sites("exec", OUTSIDE, "--", "sh", "-c", "cat >>/etc/redis/redis.conf", given=password)
    sites("exec", OUTSIDE, "--", "systemctl", "restart", "redis-server")
