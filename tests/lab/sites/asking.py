"""Who is there, and what programs on a server learn of Consul, Prometheus and Alertmanager."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import yaml
from lab_session import ROOT, Lab

CONSUL_SERVERS = {"dc1": "dc1-cp-1", "dc2": "dc2-cp-1"}
PROMETHEUS = {"dc1": "dc1-mon-1", "dc2": "dc2-mon-1"}
OUTSIDE, LIAR = "dc1-x-1", "dc1-x-2"
CLUSTER, NODE = "dc2-prod", "dc2-cp-1"
SERVERS = [*CONSUL_SERVERS.values(), *PROMETHEUS.values(), OUTSIDE, LIAR]
ENOUGH = 120
# What a program on the server would do: its status and the text of the answer.
_ASK = """
import sys, urllib.error, urllib.request
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
request = urllib.request.Request(sys.argv[2], method=sys.argv[1], data=sys.argv[3].encode() or None)
try:
    answer = direct.open(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
print(answer.read().decode())
"""
# The same with the credentials that Prometheus itself has; they are in no command line.
_ASK_AS_PROMETHEUS = """
cd /etc/prometheus/k8s
printf 'user = "prometheus:%s"\\n' "$(cat password)" |
    curl --silent --show-error --fail --max-time 10 --cacert authority.pem --config - "$0"
"""


def ask(lab: Lab, server: str, method: str, url: str, content: str = "") -> tuple[int, str]:
    """Return the status and the text of what a server is answered."""
    done = lab("exec", server, "--", "python3", "-c", _ASK, method, url, content)
    status, _, text = done.stdout.partition("\n")
    return int(status), text


def consul(lab: Lab, server: str, path: str) -> Any:
    """Return what Consul's agent on a server says."""
    status, text = ask(lab, server, "GET", f"http://127.0.0.1:8500/v1/{path}")
    assert status == 200, text
    return json.loads(text)


def query(lab: Lab, datacenter: str, expression: str, address: str = "") -> list[dict[str, Any]]:
    """Return what the Prometheus of a datacenter, or the one at an address, answers to an instant query."""
    path = f"api/v1/query?query={urllib.parse.quote(expression)}"
    found = json.loads(monitoring(lab, datacenter, path, address or _address(datacenter, 9090)))
    result: list[dict[str, Any]] = found["data"]["result"]
    return result


def alerts(lab: Lab, datacenter: str) -> list[dict[str, Any]]:
    """Return the alerts that Alertmanager has, also those that it tells nobody."""
    found: list[dict[str, Any]] = json.loads(
        monitoring(lab, datacenter, "api/v2/alerts", _address(datacenter, 9093))
    )
    return found


def monitoring(lab: Lab, datacenter: str, path: str, address: str) -> str:
    """Return what Prometheus or Alertmanager says to the Prometheus server of a datacenter."""
    server = PROMETHEUS[datacenter]
    if address.startswith("https://"):
        return lab("exec", server, "--", "sh", "-euc", _ASK_AS_PROMETHEUS, f"{address}/{path}").stdout
    status, text = ask(lab, server, "GET", f"{address}/{path}")
    assert status == 200, text
    return text


def _address(datacenter: str, port: int) -> str:
    # In dc2 monitoring has TLS and passwords, and certificates are for addresses.
    return f"https://10.12.0.51:{port}" if datacenter == "dc2" else f"http://127.0.0.1:{port}"


def secrets_of(server: str) -> dict[str, Any]:
    """Return what only this server may know, as the lab's build made it."""
    file = ROOT / f"build/secrets/secrets/{server}.sls"
    found: dict[str, Any] = yaml.safe_load(file.read_text())["k8s_secrets"]
    return found
