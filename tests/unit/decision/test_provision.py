"""Decisions of a provision that a finished cluster would not show: each was wrong once."""

import pytest
from answers import MEMBER, bare, control_plane, node

from k8s_lifecycle.decision.plan import side_by_side
from k8s_lifecycle.decision.provision import plan
from k8s_lifecycle.model import endpoint, kubeadm_config
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.facts import observe

CONTROL_PLANE = specs.Assignment("dc1-prod", "control-plane", None)
GENERAL = specs.Assignment("dc1-prod", "worker", "general")
SPEC = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.37.2"},
    "control_plane": {
        "servers": ["dc1-cp-1"],
        "endpoint": {"address": "10.11.0.100", "virtual_router_id": 51},
    },
    "pools": {"general": {"servers": ["dc1-w-*"]}},
    "network_addon": {"kind": "none"},
    "packages": {"containerd": {"version": "2.3.7-1"}},
}
ADDRESSES = {f"dc1-cp-{number}": f"10.11.0.1{number}" for number in (1, 2, 3)}
THREE = {**SPEC["control_plane"], "servers": list(ADDRESSES)}
A_NODE = {"ca": "ours", "kubelet_conf": True, "kubelet_config": True}


def spec(**changes):
    found, problems = specs.parse("dc1-prod", {**SPEC, **changes})
    assert not problems, problems
    return found


def planned(spec, answers, assignments=None):
    places = {server: CONTROL_PLANE if "-cp-" in server else GENERAL for server in answers}
    return plan(spec, observe(answers, frozenset(), {}), assignments or places)


def steps(found):
    return [str(step) for step in found.steps]


def carries(spec, *servers):
    """The endpoint that knows these servers."""
    return {"mark": endpoint.mark(spec), "peers": {server: ADDRESSES[server] for server in servers}}


class TestWithoutAnApi:
    """A node that serves pods looks like a join that did not finish: it must never be reset."""

    @pytest.mark.parametrize(
        "control",
        [
            bare(files={**A_NODE, "etcd_data": True, "manifests": ["etcd"], "admin_conf": True}),
            bare(files={**A_NODE, "etcd_data": True}),
        ],
    )
    def test_no_worker_is_reset(self, control):
        answers = {"dc1-cp-1": control, "dc1-w-1": bare(files=A_NODE), "dc1-w-2": bare(files=A_NODE)}
        found = planned(spec(), answers)
        assert "init dc1-cp-1" in steps(found)
        assert not {step.server for step in found.steps} & {"dc1-w-1", "dc1-w-2"}
        assert found.partial


class TestInitThatIsNotFinal:
    """A wrong flag in the spec stops the API server of an init: corrected, the spec must reach it."""

    @pytest.mark.parametrize(
        ("final", "worker", "expected"),
        [
            (False, {}, "init dc1-cp-1"),
            (False, A_NODE, "wait_api dc1-cp-1"),
            (True, {}, "wait_api dc1-cp-1"),
        ],
    )
    def test_it_is_done_again_where_nobody_can_have_joined(self, final, worker, expected):
        first = control_plane("1.37.2", kubelet={"active": True})
        first["files"] |= {"kubelet_config": True, "kubelet_conf_final": final}
        first["api"] = {"reachable": False, "error": "connection refused"}
        found = steps(planned(spec(), {"dc1-cp-1": first, "dc1-w-1": bare(files=worker)}))
        assert [step for step in found if step in ("init dc1-cp-1", "wait_api dc1-cp-1")] == [expected]


class TestLostData:
    """The first control plane's etcd begins anew where its data is gone: its manifest names no other."""

    def answers(self, **worker):
        first = control_plane("1.37.2", nodes=[], view={"cluster_configuration": None}, phases=["coredns"])
        return {"dc1-cp-1": first, "dc1-w-1": bare(files=worker)}

    def test_nothing_is_reset_that_joined_the_cluster_it_was(self):
        found = planned(spec(), self.answers(**A_NODE | {"ca": "sha256:ours"}))
        assert not found.steps
        assert "etcd on dc1-cp-1 knows no cluster, but dc1-w-1 joined one" in found.refusals[0]

    def test_an_init_that_was_cut_off_is_finished(self):
        assert "init dc1-cp-1" in steps(planned(spec(), self.answers()))


class TestLockedOut:
    """A rotation that was cut off leaves a worker that serves without its kubelet's credentials."""

    @pytest.mark.parametrize("starts_up", [True, False])
    def test_only_a_node_that_was_never_opened_is_joined_anew(self, starts_up):
        taints = [{"key": kubeadm_config.STARTUP_TAINT, "effect": "NoSchedule"}] if starts_up else []
        first = control_plane("1.37.2", nodes=[node("dc1-w-1", taints=taints)], kubelet={"active": True})
        worker = bare(files=A_NODE | {"kubelet_conf": False, "bootstrap_kubelet_conf": True})
        found = planned(spec(), {"dc1-cp-1": first, "dc1-w-1": worker})
        assert ("reset dc1-w-1" in steps(found)) == starts_up
        assert ("k8s.rotate_certs" in found.blocked.get("dc1-w-1", "")) != starts_up


class TestOtherNames:
    """A control plane whose node is not called like its minion is left alone, also while its etcd is down."""

    @pytest.mark.parametrize("healthy", [True, False])
    def test_it_is_not_reset(self, healthy):
        other = MEMBER | {
            "name": "old",
            "id": "2",
            "healthy": healthy,
            "peer_urls": ["https://10.11.0.12:2380"],
        }
        wanted = spec(control_plane=THREE)
        first = control_plane("1.37.2", others=[other], kubelet={"active": True})
        files = {**A_NODE, "etcd_data": True}
        answers = {name: bare(addresses=[address]) for name, address in ADDRESSES.items()}
        answers |= {
            "dc1-cp-1": first,
            "dc1-cp-2": answers["dc1-cp-2"] | {"files": bare(files=files)["files"]},
        }
        assert "dc1-cp-2" not in {step.server for step in planned(wanted, answers).steps}
        assert "name" in planned(wanted, answers).blocked["dc1-cp-2"]


class TestEndpointOfMembers:
    def answers(self, wanted, *known):
        first = control_plane(
            "1.37.2",
            addresses=[ADDRESSES["dc1-cp-1"]],
            endpoint=carries(wanted, *known),
            kubelet={"active": True},
        )
        return {
            "dc1-cp-1": first,
            **{name: bare(addresses=[ADDRESSES[name]]) for name in list(ADDRESSES)[1:]},
        }

    def test_members_are_told_of_new_control_planes_before_those_carry_it(self):
        wanted = spec(control_plane=THREE)
        found = steps(planned(wanted, self.answers(wanted, "dc1-cp-1")))
        assert "update_endpoint dc1-cp-1" in found
        assert found.index("update_endpoint dc1-cp-1") < found.index("prepare dc1-cp-2")

    def test_members_that_know_them_are_left_alone(self):
        wanted = spec(control_plane=THREE)
        assert "update_endpoint dc1-cp-1" not in steps(planned(wanted, self.answers(wanted, *ADDRESSES)))

    def test_a_silent_control_plane_keeps_the_address_that_members_know(self):
        wanted = spec(control_plane=THREE)
        answers = self.answers(wanted, *ADDRESSES)
        del answers["dc1-cp-3"]
        found = plan(
            wanted, observe(answers, frozenset({"dc1-cp-3"}), {}), dict.fromkeys(ADDRESSES, CONTROL_PLANE)
        )
        assert "update_endpoint dc1-cp-1" not in steps(found)

    @pytest.mark.parametrize("gone", [False, True])
    def test_one_that_left_the_spec_is_dropped_once_it_is_no_control_plane_any_more(self, gone):
        """Its keepalived would hear none of the others, and carry the address besides."""
        wanted = spec(control_plane={**THREE, "servers": ["dc1-cp-1"]})
        answers = self.answers(wanted, "dc1-cp-1", "dc1-cp-2")
        labels = {} if gone else {"node-role.kubernetes.io/control-plane": ""}
        answers["dc1-cp-1"]["api"]["nodes"].append(node("dc1-cp-2", labels))
        found = planned(wanted, {"dc1-cp-1": answers["dc1-cp-1"]})
        assert ("update_endpoint dc1-cp-1" in steps(found)) == gone
        assert any("dc1-cp-2 is a control plane" in note for note in found.notes) != gone

    def test_another_endpoint_in_the_spec_is_refused(self):
        moved = {**THREE, "endpoint": {**THREE["endpoint"], "virtual_router_id": 52}}
        answers = self.answers(spec(control_plane=THREE), *ADDRESSES)
        configuration = kubeadm_config.cluster_configuration(spec(control_plane=THREE))
        answers["dc1-cp-1"]["api"]["cluster_configuration"] = configuration
        found = planned(spec(control_plane=moved), answers)
        assert "virtual router 51) than the spec asks for" in found.refusals[0]


class TestPools:
    DB = {"servers": ["dc1-db-1"], "grains": {"k8s_pool": "db"}}

    @pytest.mark.parametrize(("grains", "joins"), [({}, False), ({"k8s_pool": "db"}, True)])
    def test_grains_narrow_a_pool(self, grains, joins):
        answers = {"dc1-cp-1": control_plane("1.37.2"), "dc1-db-1": bare(grains=grains)}
        places = {"dc1-cp-1": CONTROL_PLANE, "dc1-db-1": specs.Assignment("dc1-prod", "worker", "db")}
        found = planned(spec(pools={"db": self.DB}), answers, places)
        assert ("join_worker dc1-db-1" in steps(found)) == joins
        assert any("k8s_pool is not set and not db" in note for note in found.notes) != joins

    def test_what_a_pool_no_longer_asks_for_is_taken_from_its_nodes(self):
        settled = {"labels": ["tier"], "taints": [["dedicated", "NoSchedule"]]}
        worker = node(
            "dc1-w-1", {"tier": "db"}, settled=settled, taints=[{"key": "dedicated", "effect": "NoSchedule"}]
        )
        answers = {"dc1-cp-1": control_plane("1.37.2", nodes=[worker]), "dc1-w-1": bare(files=A_NODE)}
        found = planned(spec(), answers)
        assert "settle dc1-w-1" in steps(found)
        assert "label tier, no longer asked for, taint dedicated" in found.steps[-1].reason


def test_a_kubelet_setting_that_joins_would_miss_is_refused():
    before = spec()
    view = {
        "cluster_configuration": kubeadm_config.cluster_configuration(before),
        "kubelet_configuration": kubeadm_config.kubelet_configuration(before),
    }
    answers = {"dc1-cp-1": control_plane("1.37.2", view=view), "dc1-w-9": bare()}
    assert not planned(before, answers).refusals
    found = planned(spec(kubelet={"maxPods": 200}), answers)
    assert "kubelet.maxPods: 200 in the spec, not set in the cluster" in found.refusals[0]


def test_a_new_server_is_no_newer_than_the_oldest_api_server():
    members = [{**MEMBER, "name": name, "id": name} for name in ADDRESSES]
    answers = {
        name: control_plane(version, others=members[1:])
        for name, version in zip(ADDRESSES, ("1.37.2", "1.36.3", "1.37.2"), strict=True)
    }
    found = planned(spec(control_plane=THREE), {**answers, "dc1-w-9": bare()})
    assert {step.how["version"] for step in found.steps if step.server == "dc1-w-9" and step.how} == {
        "1.36.3"
    }


def beside_each_other(found):
    groups = [[wave.name for wave in waves] for waves in side_by_side(found.waves)]
    return [names for names in groups if len(names) > 1]


def test_while_control_planes_join_one_by_one_workers_do_and_who_has_joined_settles():
    servers = [*ADDRESSES, "dc1-w-1"]
    found = planned(spec(control_plane=THREE), {server: bare() for server in servers})
    assert beside_each_other(found) == [["control planes, one by one", "workers", "settle", "DNS"]]
    assert [wave["wave"] for wave in found.to_dict()["waves"] if wave["beside"]] == [
        "workers",
        "settle",
        "DNS",
    ]
    assert {step.server: step.after for step in found.steps if step.verb == "settle"} == {
        "dc1-w-1": "dc1-w-1",
        "dc1-cp-2": "dc1-cp-2",
        "dc1-cp-3": "dc1-cp-3",
        "dc1-cp-1": "dc1-w-1",
    }


def test_without_control_planes_to_join_workers_are_beside_no_earlier_wave():
    answers = {"dc1-cp-1": bare(), "dc1-w-1": bare()}
    assert beside_each_other(planned(spec(), answers)) == [["workers", "settle", "DNS"]]


def test_a_cluster_of_one_node_settles_after_nothing():
    found = planned(spec(), {"dc1-cp-1": bare()})
    assert [step.after for step in found.steps if step.verb == "settle"] == [""]
    assert not beside_each_other(found)


class TestAnotherName:
    """A node whose name is not its server's minion id looks like a join that did not finish, and serves."""

    HERE = ["10.11.0.21"]

    def test_a_worker_is_never_reset(self):
        serving = node("web-7", addresses=self.HERE)
        answers = {
            "dc1-cp-1": control_plane(nodes=[serving]),
            "dc1-w-1": bare(files=A_NODE, addresses=self.HERE, kubelet={"active": True}),
        }
        found = planned(spec(), answers)
        assert "dc1-w-1" not in {step.server for step in found.steps}
        assert found.blocked["dc1-w-1"].startswith("is a node whose name is not its minion id — give")

    def test_a_control_plane_is_never_reset(self):
        serving = {**MEMBER, "name": "alpha", "id": "2", "peer_urls": [f"https://{self.HERE[0]}:2380"]}
        answers = {
            "dc1-cp-1": control_plane(others=[serving]),
            "dc1-cp-2": bare(files={**A_NODE, "etcd_data": True}, addresses=self.HERE),
        }
        found = planned(spec(), answers)
        assert "dc1-cp-2" not in {step.server for step in found.steps}
        assert "dc1-cp-2" in found.blocked

    def test_what_is_left_of_a_join_is_reset_where_the_node_at_its_address_is_gone(self):
        gone = node("web-7", addresses=self.HERE, ready=False)
        answers = {
            "dc1-cp-1": control_plane(nodes=[gone]),
            "dc1-w-1": bare(files=A_NODE, addresses=self.HERE),
        }
        assert "reset dc1-w-1" in steps(planned(spec(), answers))
