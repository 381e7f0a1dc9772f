"""Who is there, and what programs on a server learn of Consul, Prometheus and Alertmanager."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Sequence
from typing import Any

import yaml
from lab_session import ROOT, Lab

CONSUL_SERVERS = {"dc1": "dc1-cp-1", "dc2": "dc2-cp-1"}
PROMETHEUS = {"dc1": "dc1-mon-1", "dc2": "dc2-mon-1"}
OUTSIDE, LIAR = "dc1-x-1", "dc1-x-2"
CLUSTER, NODE = "dc2-prod", "dc2-cp-1"
SERVERS = [*CONSUL_SERVERS.values(), *PROMETHEUS.values(), OUTSIDE, LIAR]
ENOUGH = 120
# What a program on the server would do: its status and the text of the answer. With files of Prometheus'
# secrets it uses these, which are in no command line.
_ASK = """
import base64, ssl, sys, urllib.error, urllib.request
method, url, content, authority, login, password = sys.argv[1:]
request = urllib.request.Request(url, method=method, data=content.encode() or None)
trust = ssl._create_unverified_context()
if authority:
    trust = ssl.create_default_context(cafile=authority)
    user = base64.b64encode(f"{login}:{open(password).read()}".encode()).decode()
    request.add_header("Authorization", f"Basic {user}")
handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
try:
    answer = urllib.request.build_opener(*handlers).open(request, timeout=5)
except urllib.error.HTTPError as error:
    answer = error
except OSError as error:
    print(0, error, sep=chr(10))
    sys.exit()
print(answer.status)
print(answer.read().decode())
"""
_SECRETS = "/etc/prometheus/k8s"
NOBODY = ("", "", "")
CENTRAL = "https://10.11.0.41:9090"


def ask(
    lab: Lab, server: str, method: str, url: str, content: str = "", login: Sequence[str] = NOBODY
) -> tuple[int, str]:
    """Return the status and the text of what a server is answered; 0 where it is not.

    login: the authority's file, a user, and the file of the password.
    """
    done = lab("exec", server, "--", "python3", "-c", _ASK, method, url, content, *login)
    status, _, text = done.stdout.partition("\n")
    return int(status), text


def consul(lab: Lab, server: str, path: str) -> Any:
    """Return what Consul's agent on a server says."""
    status, text = ask(lab, server, "GET", f"http://127.0.0.1:8500/v1/{path}")
    assert status == 200, text
    return json.loads(text)


def query(lab: Lab, datacenter: str, expression: str, address: str = "") -> list[dict[str, Any]]:
    """Return what the Prometheus of a datacenter, or the one at an address, answers to an instant query."""
    path = f"query?query={urllib.parse.quote(expression)}"
    found: list[dict[str, Any]] = prometheus(lab, datacenter, path, address)["result"]
    return found


def prometheus(lab: Lab, datacenter: str, path: str, address: str = "") -> Any:
    """Return the data of an answer of Prometheus' API."""
    said = monitoring(lab, datacenter, f"api/v1/{path}", address or _address(datacenter, 9090))
    return json.loads(said)["data"]


def monitoring(lab: Lab, datacenter: str, path: str, address: str) -> str:
    """Return what Prometheus or Alertmanager says to the Prometheus server of a datacenter."""
    login = _login(datacenter, address) if address.startswith("https://") else NOBODY
    status, text = ask(lab, PROMETHEUS[datacenter], "GET", f"{address}/{path}", login=login)
    assert status == 200, text
    return text


def _login(datacenter: str, address: str) -> tuple[str, str, str]:
    """With what a Prometheus server asks: of each kind of those who are asked, something else."""
    if address == CENTRAL:
        return f"{_SECRETS}/central-authority.pem", datacenter, f"{_SECRETS}/central-password"
    password = "node-exporter-password" if address.endswith(":9100") else "password"
    return f"{_SECRETS}/authority.pem", "prometheus", f"{_SECRETS}/{password}"


def _address(datacenter: str, port: int) -> str:
    # In dc2 monitoring has TLS and passwords, and certificates are for addresses.
    return f"https://10.12.0.51:{port}" if datacenter == "dc2" else f"http://127.0.0.1:{port}"


def secrets_of(server: str) -> dict[str, Any]:
    """Return what only this server may know, as the lab's build made it."""
    file = ROOT / f"build/secrets/secrets/{server}.sls"
    found: dict[str, Any] = yaml.safe_load(file.read_text())["k8s_secrets"]
    return found
