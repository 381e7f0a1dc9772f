"""A site of many servers, of which some are not what they should be: for the page, and for figures."""

import random

from k8s_lifecycle.decision.inventory import Answers, Choice, Master, inventory
from k8s_lifecycle.decision.inventory_drift import Limits
from k8s_lifecycle.decision.inventory_files import Files
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.datacenters import Datacenters
from k8s_lifecycle.model.external import Access, External, Externals
from k8s_lifecycle.model.inventory import Description, Overview, Remembered

NOW = 1_800_000_000.0
HOUR, DAY = 3600, 86400
VERSION = "1.37.2"
CLUSTERS = [
    (f"{datacenter}-{environment}", datacenter, environment)
    for datacenter in ("dc1", "dc2")
    for environment in ("prod", "staging")
]

GKE = External(
    name="gke-shop",
    datacenter="europe-west1",
    environment="prod",
    provider="GKE",
    owner="shop team",
    endpoint="https://203.0.113.7",
    version="1.36.4",
    access=Access(minion="web-1", kubeconfig="/etc/gke.conf"),
)


def spec_text(name, datacenter, environment):
    """A spec as its file has it."""
    return {
        "datacenter": datacenter,
        "environment": environment,
        "kubernetes": {"version": VERSION},
        "control_plane": {
            "servers": [f"{name}-cp-{number}" for number in (1, 2, 3)],
            "endpoint": {"address": "10.11.0.100", "virtual_router_id": 51},
        },
        "pools": {"general": {"servers": [f"{name}-w-*"]}},
        "network_addon": {"kind": "none"},
        "packages": {"containerd": {"version": "2.3.7-1"}},
    }


def datacenter_text(name):
    """A datacenter as its file has it: with a monitoring agent and Consul on every server."""
    return {
        "servers": [f"{name}-*"],
        "consul": {"package": {"version": "1.22.1-1"}, "servers": {f"{name}-prod-w-1": f"10.{name[-1]}.0.1"}},
    }


def cluster(name, datacenter, environment):
    spec, problems = specs.parse(name, spec_text(name, datacenter, environment))
    assert not problems
    return spec


def said(number, spec, role, chance, now=NOW, **changes):
    """What a server says that is as it should be."""
    leaf = {"name": "apiserver", "where": "/etc/kubernetes/pki/apiserver.crt", "whole": True}
    kubelet = {
        "name": "kubelet-client-current.pem",
        "where": "/var/lib/kubelet/pki/kubelet-client-current.pem",
    }
    ends = now + chance.uniform(90, 360) * DAY
    return {
        "code": "ours",
        "clock": now,
        "machine_id": f"{number:032x}",
        "grains": {"datacenter": spec.datacenter, "environment": spec.environment, "k8s_role": role},
        "addresses": [f"10.{number // 60000}.{number // 250 % 250}.{number % 250 + 1}"],
        "os": "Debian 12.8",
        "kernel": "6.1.0-28-amd64",
        "hardware": {
            "cores": chance.choice([16, 32, 64, 128]),
            "memory": chance.choice([64, 128, 256, 512]) * 2**30,
            "disks": [{"name": f"nvme{disk}n1", "size": 1_920_383_410_176} for disk in range(4)],
            "virtual": "physical",
            "manufacturer": "Dell Inc.",
            "model": "PowerEdge R760",
            "serial": f"J{number:06d}",
        },
        "versions": {"kubelet": f"{VERSION}-1.1", "containerd": "2.3.7-1", "salt": "3008.3"},
        "services": {"kubelet": "active", "containerd": "active", "node_exporter": "active"},
        "certificates": [
            {**kubelet, "begins": ends - 365 * DAY, "expires": ends},
            *([{**leaf, "begins": ends - 365 * DAY, "expires": ends}] if role == "control-plane" else []),
        ],
        "consul": {"state": "passing", "detail": "", "services": ["kubernetes", "node-exporter"]},
        "highstate": {
            "began": now - HOUR,
            "ended": now - chance.uniform(0.1, 20) * HOUR,
            "states": 120,
            "failures": 0,
            "failed": [],
            "unfinished": None,
            "running": False,
        },
        "differences": {"spec": [], "system": []},
        "api": None,
        "errors": [],
        **changes,
    }


def node(name, **changes):
    return {
        "name": name,
        "ready": True,
        "version": VERSION,
        "unschedulable": False,
        "hold": None,
        "addresses": [],
        "os": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.1.0-28-amd64",
        **changes,
    }


def healthy(own, count, chance, now=NOW):
    """Return what so many servers say that are as they should be, and the nodes of each cluster."""
    answers, nodes = {}, {spec.name: [] for spec in own}
    for number in range(count):
        spec = own[number % len(own)]
        index = number // len(own)
        role = "control-plane" if index < 3 else "worker"
        server = f"{spec.name}-{'cp' if index < 3 else 'w'}-{index + 1 if index < 3 else index - 2}"
        answers[server] = said(number, spec, role, chance, now)
        nodes[spec.name].append(node(server))
    for spec in own:
        for server in spec.control_plane.servers:
            answers[server]["api"] = {"reachable": True, "version": VERSION, "nodes": nodes[spec.name]}
    return answers, nodes


def many(count=1000, seed=1):
    """Return the inventory of so many servers in four clusters of two datacenters."""
    chance = random.Random(seed)
    own = [cluster(*one) for one in CLUSTERS]
    answers, nodes = healthy(own, count, chance)
    silent = {}
    _plant(answers, silent, nodes, chance)
    keys = dict.fromkeys([*answers, *silent, "web-1"], "accepted")
    kept = {
        server: Remembered(
            Description.remembered({"os": "Debian", "osrelease": "12", "ipv4": ["10.9.9.9"]}), NOW - 3 * DAY
        )
        for server in silent
    }
    seen = Overview.read({"reachable": True, "version": "1.36.4-gke.1400", "nodes": [node("gke-a")]})
    return inventory(
        Files(
            specs.Catalogue(None, {spec.name: spec for spec in own}),
            Externals({GKE.name: GKE}),
            Datacenters(None),
        ),
        Answers(answers, silent, {"web-1": "it broke"}, {GKE.name: seen}, NOW, NOW),
        Master(keys, kept, "ours"),
        limits=Limits(),
        choice=Choice(),
    )


def _plant(answers, silent, nodes, chance):
    """Let some servers be not what they should be."""
    workers = [server for server in answers if "-w-" in server]
    chance.shuffle(workers)
    for server in workers[:6]:
        del answers[server]
        silent[server] = "its minion has not answered for 30 s"
    for server in workers[6:16]:
        answers[server]["certificates"][0]["begins"] = NOW - 360 * DAY
        answers[server]["certificates"][0]["expires"] = NOW + chance.uniform(1, 14) * DAY
    for server in workers[16:24]:
        answers[server]["highstate"] |= {"failures": 2, "failed": ["k8s-runtime", "chrony"]}
    for server in workers[24:28]:
        answers[server]["services"]["node_exporter"] = "failed"
    for server in workers[28:40]:
        answers[server]["versions"]["containerd"] = "2.3.6-1"
        line = "containerd.io is 2.3.6-1, the spec asks for 2.3.7-1"
        answers[server]["differences"] = {"spec": [line], "system": []}
    for server in workers[40:43]:
        answers[server]["grains"]["environment"] = "dev"
    for listed in nodes.values():
        for one in listed:
            if one["name"] in workers[43:46]:
                one["ready"] = False
            if one["name"] in workers[46:52]:
                one["unschedulable"] = True
    nodes["dc1-prod"].append(node("dc1-prod-w-ghost"))
