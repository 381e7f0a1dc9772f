"""The elected control plane server, with Kubernetes' own API server and Consul itself, both on loopback.

Here Services and endpoints are what the test writes. The lab has them of a real cluster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from consul_site import Site
from kubernetes_api import KubernetesApi

from k8s_lifecycle.cluster import lease, servers
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.discovery import acl, cluster, elected, store
from k8s_lifecycle.discovery.agent import Agent
from k8s_lifecycle.discovery.cluster import COREFILE, LEASE, Configuration
from k8s_lifecycle.model import consul
from k8s_lifecycle.model.kubernetes_services import NAME

ADDRESS = "127.0.3.1"
SPEC = f"""
servers: ["dc1-*"]
consul:
  package: {{version: 1.8.7}}
  servers: {{dc1-s: {ADDRESS}}}
  kubernetes: {{dc1-prod: [shop]}}
"""
TOLD = Configuration("cp-1", "dc1-prod", "prod", "10.11.0.100", ("shop",), pods_dns=True)
FIRST, SECOND = "10.11.0.21:30080", "10.11.0.22:30080"
SOON = 5.0
BLOCK = "forward . 169.254.20.53:8600"


@dataclass
class Both:
    """Both APIs."""

    kubernetes: Api
    site: Site

    def ready(self) -> list[str]:
        """Return where Consul says that the service is well."""
        found = self.site.agent("dc1-s").get("health/service/shop", passing="1")
        return sorted(f"{one['Service']['Address']}:{one['Service']['Port']}" for one in found)

    def apply(self, manifest: dict[str, Any]) -> None:
        self.kubernetes.apply(self.kubernetes.path_of(manifest), manifest)

    def service(self, asked: str | None = "shop", **spec: Any) -> None:
        annotations = {NAME: asked} if asked else {}
        ports = [{"port": 80, "nodePort": 30080}]
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web", "annotations": annotations},
                "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": ports, **spec},
            }
        )

    def endpoints(self, **ready: bool) -> None:
        """Write the endpoints: by node, whether they are ready."""
        found = [
            {"addresses": [f"10.244.0.{number}"], "nodeName": node, "conditions": {"ready": good}}
            for number, (node, good) in enumerate(ready.items(), 1)
        ]
        self.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
                "addressType": "IPv4",
                "ports": [{"port": 8080}],
                "endpoints": found,
            }
        )

    def corefile(self) -> str:
        return str(self.kubernetes.get(COREFILE)["data"]["Corefile"])

    def holder(self) -> str:
        claim = lease.claim(lease.find(self.kubernetes, LEASE))
        return claim.holder if claim else ""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Both APIs, and this process as a control plane server that was admitted to both."""
    api, site = KubernetesApi(tmp_path_factory.mktemp("api")), None
    with pytest.MonkeyPatch.context() as patch:
        try:
            connection = api.start()
            site = Site(tmp_path_factory.mktemp("consul"), {"dc1": SPEC}, {"dc1-s": ADDRESS})
            site.start_server("dc1")
            agent = site.management("dc1")
            acl.set_cluster_policies(agent, consul.cluster_policies(site.datacenters.usable["dc1"]))
            token = store.new_token()
            acl.grant(agent, consul.cluster_token("dc1", "cp-1", "dc1-prod"), token)
            kept = tmp_path_factory.mktemp("kept")
            store.keep(store.Credentials("", "", "", [], "dc1-prod", token), kept)
            patch.setattr(store.read, "__defaults__", (kept,))
            patch.setattr(Agent.__init__, "__defaults__", (None, f"{ADDRESS}:8500", 30.0))
            patch.setattr(Api.local.__func__, "__defaults__", (api.conf, 10.0, "admin"))  # type: ignore[attr-defined]
            found = Both(connection, site)
            servers.record(connection, "w-1", "dc1-w-1", [FIRST.partition(":")[0]])
            servers.record(connection, "w-2", "dc1-w-2", [SECOND.partition(":")[0]])
            corefile = {"Corefile": ".:53 {\n    errors\n}\n"}
            found.apply(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "coredns", "namespace": "kube-system"},
                    "data": corefile,
                }
            )
            yield found
        finally:
            if site:
                site.stop_all()
            api.stop()


@dataclass
class Server:
    """A control plane server's process, as a thread. turn: who has it keeps the server from acting."""

    stopping: threading.Event
    turn: threading.Lock


Start = Callable[[str], Server]


@pytest.fixture(scope="module")
def start(both: Both) -> Iterator[Start]:
    """A function that starts the process of a server."""
    started: dict[str, Server] = {}
    turn = elected.Elected.turn

    def unless_kept_from(self: elected.Elected) -> bool:
        free = started[self._told.server].turn
        if not free.acquire(blocking=False):
            return False
        try:
            return turn(self)
        finally:
            free.release()

    def begin(name: str) -> Server:
        started[name] = Server(threading.Event(), threading.Lock())
        arguments = (replace(TOLD, server=name), started[name].stopping)
        threading.Thread(target=elected.serve, args=arguments, daemon=True).start()
        return started[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elected.Elected, "turn", unless_kept_from)
        yield begin
        for server in started.values():
            server.stopping.set()


@pytest.fixture(scope="module")
def first(start: Start) -> Server:
    """The server that is elected first."""
    return start("cp-1")


def takes(holds: Callable[[], object], seconds: float) -> float:
    """Wait until something holds; return for how long."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


def test_a_service_follows_its_endpoints(both: Both, first: Server) -> None:
    both.service()
    for nodes, there in (
        ({"w1": True}, []),  # no node of the cluster
        ({"w-1": True}, [FIRST]),
        ({"w-1": True, "w-2": True}, [FIRST, SECOND]),
        ({"w-1": False, "w-2": True}, [SECOND]),
        ({}, []),
        ({"w-1": True}, [FIRST]),
    ):
        both.endpoints(**nodes)
        takes(lambda there=there: both.ready() == there, SOON)


def test_it_goes_with_its_annotation_and_with_itself(both: Both, first: Server) -> None:
    both.service(asked=None)
    takes(lambda: both.ready() == [], SOON)
    both.service(externalIPs=["10.11.0.200"])
    takes(lambda: both.ready() == ["10.11.0.200:80"], SOON)
    both.service(externalIPs=[])
    takes(lambda: both.ready() == [FIRST], SOON)
    both.kubernetes.delete("/api/v1/namespaces/default/services/web")
    takes(lambda: both.ready() == [], SOON)
    both.service()
    takes(lambda: both.ready() == [FIRST], SOON)


def test_what_differs_is_told(both: Both, first: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Configuration, "read", lambda: TOLD)
    assert cluster.drift(SOON) == {"elected": "cp-1", "late": [], "left": []}
    monkeypatch.setattr(Configuration, "read", lambda: replace(TOLD, names=("other",), pods_dns=False))
    refusal = "shop is none of the names that the datacenter's file gives to this cluster"
    assert cluster.drift(0) == {
        "elected": "cp-1",
        "late": ["CoreDNS' Corefile", f"shop/default/web/{FIRST}"],
        "left": [f"Service default/web is not in Consul: {refusal}"],
    }


def test_what_others_change_is_put_right(both: Both, first: Server) -> None:
    gone = {"Node": "k8s_dc1-prod", "ServiceID": f"shop/default/web/{FIRST}"}
    both.site.management("dc1").put("catalog/deregister", gone)
    both.kubernetes.merge(COREFILE, {"data": {"Corefile": ".:53 {\n    errors\n    log\n}\n"}})
    takes(lambda: both.ready() == [FIRST] and BLOCK in both.corefile(), elected.AGAIN + 2 * elected.RENEW)
    assert "log" in both.corefile()


def test_another_takes_over_after_the_lease_and_at_once_where_it_is_given_back(
    both: Both, first: Server, start: Start
) -> None:
    second = start("cp-2")
    time.sleep(elected.RENEW)
    assert both.holder() == "cp-1"
    with first.turn:  # as if its power were cut
        both.service(asked=None)
        took = takes(lambda: both.ready() == [], elected.TTL + 2 * elected.RENEW)
        assert took > elected.TTL - 2 * elected.RENEW
        assert both.holder() == "cp-2"
    both.service()
    takes(lambda: both.ready() == [FIRST], SOON)
    assert both.holder() == "cp-2"
    second.stopping.set()
    assert takes(lambda: both.holder() == "cp-1", elected.TTL) < elected.TTL - 1
