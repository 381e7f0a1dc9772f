"""The inventory: a site as it should be has no drift, and each difference that is planted is told."""

import random

import pytest
import yaml
from fleet_of_many import DAY, GKE, HOUR, NOW, cluster, node, said

from k8s_lifecycle.decision import inventory as decision
from k8s_lifecycle.decision.inventory_drift import CRITICAL, WARNING, Limits
from k8s_lifecycle.decision.inventory_files import Files
from k8s_lifecycle.model import datacenters
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.external import Externals
from k8s_lifecycle.model.inventory import Description, Overview, Remembered

SPEC = cluster("dc1", "dc1", "prod")
CONTROL_PLANES = SPEC.control_plane.servers
WORKER = "dc1-w-1"
HOLD = {
    "operation": "drain",
    "run": "",
    "who": "ada",
    "reason": "a new disk",
    "since": "2027-01-01T00:00:00Z",
}


class Site:
    """Three control planes, two workers and a server without a place, all as they should be."""

    def __init__(self):
        chance = random.Random(1)
        servers = [*CONTROL_PLANES, WORKER, "dc1-w-2"]
        self.nodes = {server: node(server) for server in servers}
        self.answers = {
            server: said(number, SPEC, "control-plane" if server in CONTROL_PLANES else "worker", chance)
            for number, server in enumerate(servers)
        }
        self.answers["web-1"] = said(99, SPEC, "worker", chance)
        del self.answers["web-1"]["grains"]["k8s_role"]
        self.keys = dict.fromkeys(self.answers, "accepted")
        self.silent, self.failed, self.remembered = {}, {}, {}
        self.catalogue = specs.Catalogue(None, {SPEC.name: SPEC})
        self.datacenters = datacenters.Datacenters(None)
        self.external, self.overviews = {}, {}
        self.reachable = True
        self.choice = decision.Choice()

    @property
    def worker(self):
        return self.answers[WORKER]

    @property
    def files(self):
        return Files(self.catalogue, Externals(self.external), self.datacenters)

    def inventory(self):
        seen = {"reachable": True, "version": SPEC.kubernetes.version, "nodes": list(self.nodes.values())}
        for server in CONTROL_PLANES:
            if server in self.answers:
                self.answers[server]["api"] = (
                    seen if self.reachable else {"reachable": False, "error": "refused"}
                )
        return decision.inventory(
            self.files,
            decision.Answers(self.answers, self.silent, self.failed, self.overviews, NOW, NOW),
            decision.Master(self.keys, self.remembered, "ours"),
            limits=Limits(),
            choice=self.choice,
        )

    def row(self, server=WORKER):
        return next(row for row in self.inventory().rows if row.server == server)

    def drift(self, server=WORKER):
        """Kind, severity and text of each difference of one server; no other may have any."""
        rows = self.inventory().rows
        assert [row.server for row in rows if row.drift] == [server]
        return [(one.kind, one.severity, one.what) for row in rows for one in row.drift]

    def lose(self, server, error="its minion has not answered for 30 s"):
        del self.answers[server]
        self.silent[server] = error


@pytest.fixture
def site():
    return Site()


def test_a_site_as_it_should_be_has_no_drift(site):
    found = site.inventory()
    assert [(row.server, row.drift) for row in found.rows if row.drift] == []
    assert not found.drifts
    assert sorted(row.server for row in found.rows) == sorted(site.keys)
    row = site.row()
    assert (row.cluster, row.role, row.pool, row.node) == ("dc1", "worker", "general", "Ready")
    assert (row.os, row.agent, row.consul, row.highstate) == ("Debian 12.8", "active", "passing", "ok")
    assert row.disks[0] == "nvme0n1 1920 GB"
    assert (row.state, row.remembered, row.seen) == ("answers", False, "2027-01-15T08:00:00Z")


class TestKeys:
    def test_a_server_of_the_spec_without_a_key(self, site):
        site.keys.pop(CONTROL_PLANES[2])
        del site.answers[CONTROL_PLANES[2]]
        assert site.drift(CONTROL_PLANES[2]) == [
            ("no key", CRITICAL, "dc1 names it, and the master has no key of it")
        ]
        assert site.row(CONTROL_PLANES[2]).state == "no key"

    def test_a_key_that_waits_and_has_a_place(self, site):
        site.keys["dc1-w-9"] = "waiting"
        assert ("no key", CRITICAL, "dc1 wants it, and its key is waiting") in site.drift("dc1-w-9")

    def test_a_key_that_waits_and_has_none_is_anybodys(self, site):
        site.keys["intruder"] = "waiting"
        assert "intruder" not in [row.server for row in site.inventory().rows]

    def test_what_to_type_is_safe_to_type_whatever_the_id(self, site):
        site.keys["dc1-w-$(reboot)"] = "waiting"
        row = site.row("dc1-w-$(reboot)")
        assert "`salt-key -a 'dc1-w-$(reboot)'`" in row.drift[0].remedy

    def test_a_server_that_claims_a_role_and_that_no_spec_names(self, site):
        site.answers["web-1"]["grains"]["k8s_role"] = "control-plane"
        assert site.drift("web-1") == [
            ("claim", WARNING, "it claims the role control-plane, and no spec names it")
        ]


class TestSilence:
    def test_a_silent_server_is_shown_as_the_master_remembers_it(self, site):
        grains = {
            "os": "Debian",
            "osrelease": "12",
            "kernelrelease": "6.1.0",
            "num_cpus": 8,
            "mem_total": 1024,
        }
        site.remembered[WORKER] = Remembered(Description.remembered(grains), NOW - 3 * DAY)
        site.lose(WORKER)
        row = site.row()
        assert (row.state, row.remembered, row.seen) == ("silent", True, "2027-01-12T08:00:00Z")
        assert (row.os, row.cores, row.memory_gib, row.node) == ("Debian 12", 8, 1.0, "Ready")
        what = "silent, last seen 2027-01-12 08:00:00: its minion has not answered for 30 s"
        assert site.drift() == [("silent", CRITICAL, what)]

    def test_one_that_nothing_is_remembered_of_is_not_dropped(self, site):
        site.lose("web-1")
        assert site.drift("web-1") == [
            ("silent", WARNING, "silent, last seen never: its minion has not answered for 30 s")
        ]

    def test_it_is_not_called_failed(self, site):
        site.lose(WORKER)
        assert "failed" not in " ".join(what for _, _, what in site.drift())

    def test_servers_of_a_cluster_whose_control_planes_are_silent_are_not_called_missing(self, site):
        for server in CONTROL_PLANES:
            site.lose(server)
        found = site.inventory()
        assert [row.server for row in found.rows if row.drift] == list(CONTROL_PLANES)
        assert found.clusters[0].drift[0].what == "its API says nothing: no control plane tells of it"


class TestModules:
    def test_a_server_that_never_got_our_modules(self, site):
        del site.answers["web-1"]
        site.failed["web-1"] = "'k8s_server.inventory' is not available."
        assert site.drift("web-1") == [("code", WARNING, "it has not got our modules")]

    def test_a_call_that_failed(self, site):
        del site.answers[WORKER]
        site.failed[WORKER] = "no space left on device"
        assert site.drift() == [("call", WARNING, "asking it failed: no space left on device")]

    def test_modules_of_another_version(self, site):
        site.worker["code"] = "older"
        assert site.drift() == [("code", WARNING, "its modules are not the master's")]

    def test_what_could_not_be_read(self, site):
        site.worker["errors"] = ["services: systemctl failed"]
        assert site.drift() == [("unread", WARNING, "could not be read: services: systemctl failed")]


class TestGrains:
    @pytest.mark.parametrize(
        ("grain", "value", "wanted"),
        [
            ("datacenter", "dc9", "dc1"),
            ("environment", "staging", "prod"),
            ("k8s_role", "spare", "worker"),
            ("k8s_pool", "db", "general"),
        ],
    )
    def test_a_grain_that_disagrees_with_the_spec(self, site, grain, value, wanted):
        site.worker["grains"][grain] = value
        assert site.drift() == [("grain", WARNING, f"its grain {grain} is {value}, its spec says {wanted}")]
        row = site.row()
        assert (row.datacenter, row.environment, row.role) == ("dc1", "prod", "worker")

    def test_grains_that_keep_it_out_of_its_pool(self, site):
        narrow = specs.parse(
            "dc1", {**SPEC.to_dict(), "pools": {"db": {"servers": ["dc1-w-*"], "grains": {"disk": "nvme"}}}}
        )[0]
        site.catalogue = specs.Catalogue(None, {"dc1": narrow})
        site.answers["dc1-w-2"]["grains"]["disk"] = "nvme"
        what = "pool db of dc1 allows its id, but not its grains: disk is not set and not nvme"
        assert site.drift() == [("grain", WARNING, what)]


class TestNodes:
    def test_a_node_that_no_server_is(self, site):
        site.nodes["ghost"] = node("ghost", addresses=["10.9.9.9"])
        assert site.drift("ghost") == [
            ("no server", CRITICAL, "dc1 has this node, and the master knows no such server")
        ]
        row = site.row("ghost")
        assert (row.state, row.cluster, row.addresses) == ("unknown", "dc1", ("10.9.9.9",))

    def test_a_node_that_no_spec_names(self, site):
        site.nodes["web-1"] = node("web-1")
        assert site.drift("web-1") == [("membership", CRITICAL, "it is a node of dc1, and no spec names it")]

    def test_a_server_that_is_no_node(self, site):
        del site.nodes[WORKER]
        assert site.drift() == [("membership", WARNING, "it is no node of dc1 (yet)")]

    def test_a_spare_that_is_a_node(self, site):
        spare = specs.parse("dc1", {**SPEC.to_dict(), "pools": {}, "spares": ["dc1-w-*"]})[0]
        site.catalogue = specs.Catalogue(None, {"dc1": spare})
        site.worker["grains"]["k8s_role"] = site.answers["dc1-w-2"]["grains"]["k8s_role"] = "spare"
        del site.nodes["dc1-w-2"]
        assert site.drift() == [("membership", WARNING, "it is a spare, and a node")]

    def test_a_node_that_is_not_ready(self, site):
        site.nodes[WORKER]["ready"] = False
        assert site.drift() == [("node", CRITICAL, "its node is NotReady")]

    def test_a_node_held_past_its_time(self, site):
        site.nodes[WORKER] |= {"unschedulable": True, "hold": {**HOLD, "until": "2027-01-15T07:59:59Z"}}
        what = "held past its time: by drain of ada until 2027-01-15T07:59:59Z (a new disk)"
        assert site.drift() == [("hold", WARNING, what)]

    def test_a_node_that_is_held_is_as_somebody_wants_it(self, site):
        site.nodes[WORKER] |= {"unschedulable": True, "hold": {**HOLD, "until": "2027-01-15T08:00:01Z"}}
        assert not site.inventory().drifts
        assert site.row().hold == "drain by ada until 2027-01-15T08:00:01Z: a new disk"

    def test_a_node_that_is_cordoned_and_held_by_nobody(self, site):
        site.nodes[WORKER]["unschedulable"] = True
        assert site.drift() == [("hold", WARNING, "cordoned, and held by nobody")]

    def test_only_control_planes_are_believed(self, site):
        site.worker["api"] = {"reachable": True, "version": "9", "nodes": [node("invented")]}
        assert not site.inventory().drifts


class TestVersions:
    def test_another_kubelet_than_the_spec_asks_for(self, site):
        site.nodes[WORKER]["version"] = "1.36.3"
        assert site.drift() == [("version", WARNING, "its kubelet runs 1.36.3, its spec says 1.37.2")]

    @pytest.mark.parametrize(("package", "wanted"), [("kubelet", "1.37.2-1.1"), ("containerd", "2.3.7-1")])
    def test_another_package_on_a_server_that_is_no_node_yet(self, site, package, wanted):
        del site.nodes[WORKER]
        site.worker["versions"][package] = "0.1-1"
        what = f"its package {package} is 0.1-1, its spec says {wanted}"
        assert ("version", WARNING, what) in site.drift()

    def test_what_a_node_says_that_is_not_as_its_spec_has_it(self, site):
        site.worker["differences"] = {"spec": ["a", "b", "c", "d", "e"], "system": ["swap is on: /dev/sdb"]}
        assert site.drift() == [
            ("spec", WARNING, "a; b; c; … 2 more"),
            ("system", WARNING, "swap is on: /dev/sdb"),
        ]

    def test_another_version_of_the_cluster(self, site):
        newer = SPEC.at_version("1.37.3")
        site.catalogue = specs.Catalogue(None, {"dc1": newer})
        assert site.inventory().clusters[0].drift[0].what == "it runs 1.37.2, its spec says 1.37.3"


class TestServices:
    @pytest.mark.parametrize("service", ["kubelet", "containerd"])
    def test_a_node_whose_service_does_not_run(self, site, service):
        site.worker["services"][service] = "failed"
        assert site.drift() == [("service", CRITICAL, f"its {service} is failed")]

    def test_a_monitoring_agent_that_does_not_run(self, site):
        site.answers["web-1"]["services"]["node_exporter"] = "inactive"
        assert site.drift("web-1") == [("agent", WARNING, "its monitoring agent node_exporter is inactive")]

    def test_a_server_without_agents_is_not_drift(self, site):
        site.worker["services"]["node_exporter"] = "none"
        site.worker["consul"] = {"state": "none", "detail": ""}
        assert not site.inventory().drifts

    @pytest.mark.parametrize(
        ("state", "severity"), [("warning", WARNING), ("critical", CRITICAL), ("leaderless", CRITICAL)]
    )
    def test_consul(self, site, state, severity):
        site.worker["consul"] = {"state": state, "detail": "disk"}
        assert site.drift() == [("consul", severity, f"Consul is {state} on it (disk)")]


class TestCertificates:
    LEAF = {
        "name": "apiserver",
        "where": "/etc/kubernetes/pki/apiserver.crt",
        "begins": NOW - 360 * DAY,
        "expires": NOW + 5 * DAY,
    }

    def plant(self, site, **changes):
        site.answers[CONTROL_PLANES[0]]["certificates"].append({**self.LEAF, **changes})
        return site.drift(CONTROL_PLANES[0])

    def test_one_that_expires_soon(self, site):
        assert self.plant(site) == [("certificate", WARNING, "apiserver expires in 5.0 days")]
        row = site.row(CONTROL_PLANES[0])
        assert (row.certificate, row.certificate_days) == ("apiserver", 5.0)

    def test_one_that_has_expired(self, site):
        assert self.plant(site, expires=NOW - 1) == [("certificate", CRITICAL, "apiserver has expired")]

    def test_one_that_is_torn(self, site):
        what = "apiserver: it does not match its key, or is not of its CA"
        assert self.plant(site, whole=False) == [("certificate", CRITICAL, what)]

    def test_a_kubelets_own_is_told_when_it_is_overdue_only(self, site):
        own = {"name": "kubelet-client-current.pem", "where": "", "expires": NOW + 20 * HOUR}
        site.worker["certificates"] = [{**own, "begins": NOW - 4 * HOUR}]
        assert not site.inventory().drifts
        site.worker["certificates"] = [{**own, "begins": NOW - 400 * HOUR}]
        assert site.drift() == [("certificate", WARNING, "kubelet-client-current.pem expires in 0.8 days")]


class TestHighstate:
    def plant(self, site, **changes):
        site.worker["highstate"] |= changes
        return site.drift()

    def test_one_that_failed(self, site):
        what = "2 states of its last highstate failed: chrony, …"
        assert self.plant(site, failures=2, failed=["chrony"]) == [("highstate", WARNING, what)]

    def test_one_that_is_old(self, site):
        what = "its last highstate was 3.0 days ago"
        assert self.plant(site, ended=NOW - 3 * DAY) == [("highstate", WARNING, what)]

    def test_one_that_was_cut_off(self, site):
        what = "its highstate of 2.0 hours ago did not come to its end"
        assert self.plant(site, unfinished=NOW - 2 * HOUR) == [("highstate", WARNING, what)]

    def test_one_that_runs_for_long_is_not(self, site):
        site.worker["highstate"] |= {"unfinished": NOW - 2 * HOUR, "running": True}
        assert not site.inventory().drifts
        assert site.row().highstate == "running"

    def test_none_at_all(self, site):
        site.worker["highstate"] = None
        assert site.drift() == [("highstate", WARNING, "no highstate was ever noted on it")]


def test_a_clock_that_is_off(site):
    site.worker["clock"] = NOW - 90
    assert site.drift() == [("clock", WARNING, "its clock is 90 s behind the master's")]


def test_servers_that_are_one_and_the_same(site):
    site.answers["web-1"]["machine_id"] = site.worker["machine_id"]
    rows = {row.server: row.drift for row in site.inventory().rows if row.drift}
    assert sorted(rows) == [WORKER, "web-1"]
    assert rows[WORKER][0].what == "it has the same machine id as web-1"


class TestClusters:
    def seen(self, site, **said):
        site.external[GKE.name] = GKE
        site.overviews[GKE.name] = Overview.read({"reachable": True, "version": "1.36.4-gke.1400", **said})
        return site.inventory().clusters[-1]

    def test_one_that_others_run_and_that_is_as_it_should_be(self, site):
        found = self.seen(site, nodes=[node("gke-1")])
        assert (found.external, found.version, found.nodes, found.ready) == (True, "1.36.4-gke.1400", 1, 1)
        assert (found.owner, found.endpoint, found.drift) == ("shop team", "https://203.0.113.7", ())

    def test_its_nodes_are_no_servers_of_ours(self, site):
        self.seen(site, nodes=[node("gke-1")])
        assert "gke-1" not in [row.server for row in site.inventory().rows]

    @pytest.mark.parametrize(
        ("said", "what"),
        [
            ({"version": "1.35.1-gke.9"}, "it runs 1.35.1-gke.9, its file says 1.36.4"),
            ({"nodes": [node("a"), node("b", ready=False)]}, "NotReady nodes: 1 of 2"),
            ({"reachable": False, "error": "no route"}, "its API says nothing: no route"),
        ],
    )
    def test_its_drift(self, site, said, what):
        assert [one.what for one in self.seen(site, **said).drift] == [what]

    def test_one_that_nobody_looks_at_is_listed(self, site):
        site.external[GKE.name] = GKE
        found = site.inventory().clusters[-1]
        assert (found.name, found.version, found.nodes, found.drift) == (GKE.name, "", None, ())

    def test_one_whose_spec_cannot_be_used(self, site, tmp_path):
        broken = {**SPEC.to_dict(), "kubernetes": {"version": "new"}}
        (tmp_path / "dc1.yaml").write_text(str(broken))
        site.catalogue = specs.load(tmp_path)
        assert not site.catalogue.specs
        found = site.inventory()
        assert (
            found.clusters[0]
            .drift[0]
            .what.startswith("its spec cannot be used: dc1.yaml: kubernetes.version")
        )
        assert {row.role for row in found.rows if row.cluster == "dc1"} == {"control-plane", "worker"}
        assert not [row for row in found.rows if row.drift]


class TestChoice:
    @pytest.mark.parametrize(
        ("choice", "servers"),
        [
            ({"role": "worker"}, [WORKER, "dc1-w-2"]),
            ({"role": "none"}, ["web-1"]),
            ({"cluster": "dc1", "role": "control-plane"}, list(CONTROL_PLANES)),
            ({"datacenter": "dc2"}, []),
            ({"environment": "prod"}, [*CONTROL_PLANES, WORKER, "dc1-w-2", "web-1"]),
        ],
    )
    def test_rows(self, site, choice, servers):
        site.choice = decision.Choice(**choice)
        assert sorted(row.server for row in site.inventory().rows) == servers

    def test_only_who_may_be_wanted_is_asked_and_who_tells_of_the_nodes(self, site):
        def asked(**choice):
            return decision.asked(site.files, site.keys, decision.Choice(**choice))

        assert asked() == sorted(site.keys)
        assert asked(role="worker") == [*CONTROL_PLANES, WORKER, "dc1-w-2"]
        assert asked(cluster="dc1") == [*CONTROL_PLANES, WORKER, "dc1-w-2"]
        assert asked(datacenter="dc2") == ["web-1"]
        site.keys["dc1-w-2"] = "waiting"
        assert "dc1-w-2" not in asked()


class TestDatacenters:
    """Every server is in the file of dc1: with a monitoring agent, with Consul, and web-* with a service."""

    CONSUL = {
        "package": {"version": "1.22.1-1"},
        "servers": {CONTROL_PLANES[0]: "10.11.0.1"},
        "services": {"redis": {"servers": ["web-*"], "port": 6379, "check": {"tcp": "127.0.0.1:6379"}}},
    }

    @pytest.fixture
    def file(self, site, tmp_path):
        """A function that writes a file of a datacenter, and has all read again."""

        def written(name="dc1", servers=("dc1-*", "web-*"), **more):
            spec = {"servers": list(servers), "consul": self.CONSUL, **more}
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(spec))
            site.datacenters = datacenters.load(tmp_path)

        site.answers["web-1"]["consul"]["services"] = ["node-exporter", "redis"]
        written()
        return written

    def test_servers_that_are_as_their_datacenter_asks_have_no_drift(self, site, file):
        assert [(row.server, row.drift) for row in site.inventory().rows if row.drift] == []
        assert not site.datacenters.problems

    @pytest.mark.parametrize("server", ["web-1", WORKER])
    def test_a_server_that_never_got_its_agents(self, site, file, server):
        site.answers[server]["services"]["node_exporter"] = "none"
        site.answers[server]["consul"] = {"state": "none", "detail": "", "services": None}
        assert site.drift(server) == [
            ("agent", WARNING, "dc1 has node_exporter on all its servers, and it has none"),
            ("consul", WARNING, "dc1 has Consul on all its servers, and it has none"),
        ]

    def test_a_datacenter_without_consul_asks_for_none(self, site, file):
        file(consul=None)
        site.worker["consul"] = {"state": "none", "detail": "", "services": None}
        assert not site.inventory().drifts

    @pytest.mark.parametrize(
        ("server", "missing"), [("web-1", "node-exporter; redis"), (WORKER, "kubernetes; node-exporter")]
    )
    def test_what_is_not_in_consul(self, site, file, server, missing):
        site.answers[server]["consul"]["services"] = []
        assert site.drift(server) == [("consul", WARNING, f"not in Consul, as dc1 asks for: {missing}")]

    def test_of_what_could_not_be_asked_nothing_is_said(self, site, file):
        site.answers["web-1"] |= {"consul": None, "services": None}
        del site.worker["consul"]["services"]
        assert not site.inventory().drifts

    def test_a_server_that_it_names_and_that_never_came(self, site, file):
        file(servers=["dc1-*", "web-*", "db-1"])
        assert site.drift("db-1") == [("no key", WARNING, "dc1 names it, and the master has no key of it")]
        row = site.row("db-1")
        assert (row.state, row.datacenter, row.cluster) == ("no key", "dc1", "")

    def test_every_part_of_a_file_names_servers(self, site, file):
        service = {"servers": ["web-7", "elsewhere"], "port": 1, "check": {"tcp": "127.0.0.1:1"}}
        prometheus = {
            "servers": {"web-8": "10.11.0.8"},
            "environment": "prod",
            "alertmanager": {"webhook": "http://127.0.0.1/"},
        }
        central = {"servers": {"web-9": "10.11.0.9"}}
        file(
            consul={**self.CONSUL, "services": {"shop": service}},
            monitoring={"prometheus": prometheus, "central": central},
        )
        assert site.datacenters.named() == {CONTROL_PLANES[0], "web-7", "web-8", "web-9"}

    def test_a_key_that_waits_and_that_it_allows(self, site, file):
        site.keys["web-2"] = "waiting"
        assert site.drift("web-2") == [("no key", WARNING, "dc1 wants it, and its key is waiting")]

    def test_a_grain_that_disagrees_with_it(self, site, file):
        site.answers["web-1"]["grains"]["datacenter"] = "dc2"
        assert site.drift("web-1") == [("grain", WARNING, "its grain datacenter is dc2, and dc1 names it")]
        assert site.row("web-1").datacenter == "dc1"

    def test_a_choice_goes_by_it_and_not_by_the_grain(self, site, file):
        site.answers["web-1"]["grains"]["datacenter"] = "dc2"
        site.choice = decision.Choice(datacenter="dc1")
        assert "web-1" in [row.server for row in site.inventory().rows]
        assert decision.asked(site.files, site.keys, decision.Choice(datacenter="dc2")) == []
        site.choice = decision.Choice(datacenter="dc2")
        assert site.inventory().rows == ()

    def test_a_member_of_a_cluster_that_is_said_to_be_elsewhere(self, site, file):
        file(servers=["dc1-c*", "web-*", "dc1-w-2"])
        file("dc2", [WORKER], consul=None)
        what = "dc2.yaml names it, and dc1.yaml of its cluster says dc1"
        assert site.drift() == [("datacenter", WARNING, what)]
        assert site.row().datacenter == "dc1"

    def test_one_that_cannot_be_used_still_names_its_servers(self, site, file):
        file(servers=["dc1-*", "web-*", "db-1"], consul={"package": {}})
        assert site.drift("db-1") == [("no key", WARNING, "dc1 names it, and the master has no key of it")]
        assert site.files.problems

    def test_none_was_ever_converged(self, site, file):
        site.answers["web-1"]["highstate"] = None
        assert site.drift("web-1") == [("highstate", WARNING, "no highstate was ever noted on it")]


def test_what_is_critical_comes_first_then_what_expires_first(site):
    site.nodes["dc1-w-2"]["ready"] = False
    site.worker["code"] = "older"
    rows = site.inventory().rows
    assert [row.server for row in rows[:2]] == ["dc1-w-2", WORKER]
    rest = [row.certificate_days for row in rows[2:]]
    assert rest == sorted(rest)
