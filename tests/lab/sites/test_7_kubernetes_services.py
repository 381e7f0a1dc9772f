"""A cluster's Services in Consul, names of Consul for its pods, and how soon what died is not found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import CLUSTER, ENOUGH, LIAR, NODE, OUTSIDE, PROMETHEUS, ask
from lab_session import Lab, wait_until

BESIDE = PROMETHEUS["dc2"]  # in the cluster's datacenter, and not in the cluster
ADDRESS = "10.12.0.11"
IMAGE = "mirror.lab:5000/library/busybox:1.35"
SERVE = "mkdir /tmp/www && echo from a pod >/tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"
NAME = "shop.service.dc2.consul"
AT_ONCE = 15


@pytest.fixture(scope="module")
def lab(sites: Lab, first: dict[str, Any]) -> Lab:
    """The lab after one highstate of each server and a provision: nothing more is typed."""
    wanted = ("pkg.install", "bind9-dnsutils", "install_recommends=False")
    sites.salts([NODE, OUTSIDE, BESIDE, LIAR], *wanted)
    return sites


def deployment(replicas: int) -> dict[str, Any]:
    container = {
        "name": "web",
        "image": IMAGE,
        "command": ["sh", "-c", SERVE],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    spec = {
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    }


def service(asked: str | None = "shop", name: str = "web", **spec: Any) -> dict[str, Any]:
    annotations = {"k8s-lifecycle/consul-service": asked} if asked else {}
    ports = [{"port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": ports} | spec,
    }


def dig(lab: Lab, server: str, name: str = NAME, kind: str = "A") -> list[str]:
    words = ("dig", "+short", "@127.0.0.1", "-p", "8600", name, kind)
    return lab("exec", server, "--", *words).stdout.splitlines()


def in_pod(lab: Lab, *words: str) -> str:
    return lab.kubectl(NODE, "exec", "deploy/web", "--", *words, check=False)


def appears(lab: Lab, seconds: float) -> float:
    return wait_until("the service", lambda: dig(lab, OUTSIDE) == [ADDRESS], seconds, every=0.2)


def goes(lab: Lab, seconds: float) -> float:
    return wait_until("its end", lambda: dig(lab, OUTSIDE) == [], seconds, every=0.2)


def test_a_service_is_found_and_reached_from_both_datacenters(lab: Lab) -> None:
    lab.apply(NODE, deployment(1), service())
    print(f"a new deployment is in Consul's DNS after {appears(lab, ENOUGH):.1f} s")
    for server in (OUTSIDE, BESIDE):
        (found,) = dig(lab, server, NAME, "SRV")
        port, target = found.split()[2:]
        (address,) = dig(lab, server, target)
        assert address == ADDRESS
        assert ask(lab, server, "GET", f"http://{address}:{port}/") == (200, "from a pod\n\n")


def test_pods_find_names_of_consul(lab: Lab) -> None:
    """Each replica of CoreDNS takes up its new configuration by itself, and any of them is asked."""
    port = dig(lab, OUTSIDE, NAME, "SRV")[0].split()[2]
    for words, said in (
        (("wget", "-qO-", f"http://{NAME}:{port}/"), "from a pod\n"),
        (("nslookup", "consul.service.dc1.consul."), "10.11.0.11"),
        (("nslookup", "kubernetes.default.svc.cluster.local."), "Address: "),
    ):
        wait_until(f"{said!r} of {words}", lambda words=words, said=said: said in in_pod(lab, *words), ENOUGH)


def test_nobody_but_pods_reaches_the_address_that_they_ask(lab: Lab) -> None:
    lab("exec", BESIDE, "--", "ip", "route", "add", "169.254.20.53/32", "via", ADDRESS)
    asked = ("dig", "+short", "+time=2", "+tries=1", "@169.254.20.53", "-p", "8600", "consul.service.consul")
    assert lab("exec", NODE, "--", *asked).stdout.split() == [ADDRESS]
    assert ADDRESS not in lab("exec", BESIDE, "--", *asked, check=False).stdout.split()


def test_the_address_that_they_ask_is_put_back(lab: Lab) -> None:
    lab("exec", NODE, "--", "ip", "address", "flush", "dev", "lo", "scope", "link")
    states = lab.salt(NODE, "state.apply", "k8s.consul", "queue=True").values()
    changed = {one["__id__"]: one["changes"] for one in states if one["changes"]}
    assert changed == {"k8s-consul-dns-address": {"169.254.20.53/32": {"old": None, "new": "lo"}}}
    asked = ("dig", "+short", "+time=2", "@169.254.20.53", "-p", "8600", "consul.service.consul")
    assert lab("exec", NODE, "--", *asked).stdout.split() == [ADDRESS]


def test_a_service_without_ready_pods_or_without_its_annotation_is_not_answered(lab: Lab) -> None:
    lab.apply(NODE, deployment(0))
    print(f"scaled to nothing it is gone after {goes(lab, AT_ONCE):.1f} s")
    lab.apply(NODE, deployment(1))
    appears(lab, ENOUGH)
    lab.apply(NODE, service(asked=None))
    print(f"without its annotation it is gone after {goes(lab, AT_ONCE):.1f} s")
    lab.apply(NODE, service())
    appears(lab, AT_ONCE)


def test_what_cannot_be_in_consul_is_told_and_takes_no_name(lab: Lab) -> None:
    thief, inner = service("node-exporter", "thief"), service("shop-inner", "inner", type="ClusterIP")
    lab.apply(NODE, thief, inner)
    found = lab.salt(NODE, "k8s_consul.drift", "10")
    assert (found["elected"], found["late"]) == (NODE, [])
    assert [line.partition(":")[0] for line in found["left"]] == [
        "Service default/inner is not in Consul",
        "Service default/thief is not in Consul",
    ]
    assert dig(lab, OUTSIDE, "shop-inner.service.dc2.consul") == []
    for one in (thief, inner):
        lab.kubectl(NODE, "delete", "service", one["metadata"]["name"])


def test_a_process_that_is_killed_comes_back(lab: Lab) -> None:
    lab("exec", NODE, "--", "systemctl", "kill", "--signal=KILL", "k8s-elected")
    lab.apply(NODE, service(asked=None))
    goes(lab, AT_ONCE)
    lab.apply(NODE, service())
    appears(lab, AT_ONCE)


def test_a_servers_own_resolver_is_told_of_consul(lab: Lab) -> None:
    resolver = {"/etc/resolv.conf": "nameserver 127.0.0.1", "/etc/nsswitch.conf": "hosts: files dns"}
    lab.salt(LIAR, "pkg.install", "dnsmasq", "install_recommends=False")
    for path, text in resolver.items():
        lab("exec", LIAR, "--", "sh", "-c", f"echo {text} >{path}")
    asked = {"k8s_datacenter": {"spec": {"consul": {"dns": {"dnsmasq": [LIAR]}}}}}
    done = lab.salt(LIAR, "state.apply", "k8s.consul", f"pillar={json.dumps(asked)}", "queue=True")
    assert {one["__id__"]: one["comment"] for one in done.values() if one["result"] is not True} == {}
    assert lab("exec", LIAR, "--", "getent", "hosts", NAME).stdout.split()[0] == ADDRESS


def test_a_dead_instance_is_not_answered_after_its_checks_interval(lab: Lab) -> None:
    serve = ("systemd-run", "--quiet", "--unit=inventory", "python3", "-m", "http.server", "8080")
    lab("exec", LIAR, "--", *serve)

    def answered() -> bool:
        return "10.11.0.42" in dig(lab, NODE, "inventory.service.dc1.consul")

    wait_until("the instance", answered, ENOUGH)
    lab("exec", LIAR, "--", "systemctl", "stop", "inventory")
    took = wait_until("its end", lambda: not answered(), ENOUGH, every=0.2)
    print(f"a dead instance is not answered after {took:.1f} s, of an interval of 10 s")
    assert took < 10 + 5


def test_the_consul_servers_of_a_datacenter_are_restarted(lab: Lab) -> None:
    """There is one only; the order of several is tested without servers."""
    restart = ("k8s.restart_consul", "dc2")
    assert lab.run(*restart, "test=True")["servers"] == []
    assert lab.run(*restart, "everyone=True", "test=True", check=False)["servers"] == [NODE]
    done = lab.run(*restart, "everyone=True")
    assert (done["servers"], done["refusals"]) == ([NODE], [])
    appears(lab, AT_ONCE)


def test_once_more_changes_nothing(lab: Lab) -> None:
    states = lab.salt(NODE, "state.apply", "k8s.consul", "queue=True").values()
    assert {one["__id__"]: one["comment"] for one in states if one["result"] is not True} == {}
    assert {one["__id__"]: one["changes"] for one in states if one["changes"]} == {}
    assert any(f"elected is {NODE}" in one["comment"] for one in states)


def test_what_writes_for_the_cluster_is_in_no_log_of_salt(lab: Lab) -> None:
    kept = json.loads(lab("exec", NODE, "--", "cat", "/var/lib/k8s-lifecycle/consul.json").stdout)
    assert kept["cluster"] == CLUSTER
    for server in ("master", NODE):
        grep = ("grep", "--recursive", "--files-with-matches", kept["cluster_token"], "/var/log/salt")
        assert lab("exec", server, "--", *grep, check=False).stdout == "", server
