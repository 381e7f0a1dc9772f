"""Decisions of a provision that a finished cluster would not show: each was wrong once."""

from datetime import UTC, datetime

import pytest
from answers import MEMBER, bare, control_plane, node

from k8s_lifecycle.decision.plan import side_by_side
from k8s_lifecycle.decision.provision import plan
from k8s_lifecycle.model import endpoint, kubeadm_config
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.facts import observe
from k8s_lifecycle.model.hold import Hold, moment

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
NOW = datetime(2026, 11, 30, tzinfo=UTC)
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

    SILENT_API = {"reachable": False, "error": "connection refused"}

    def first(self, *, final=False, api=None, **changes):
        found = control_plane("1.37.2", kubelet={"active": True}, **changes)
        found["api"]["nodes"] = found["api"]["nodes"][:1]
        found["files"] |= {"kubelet_config": True, "kubelet_conf_final": final}
        found["api"] = api or found["api"]
        return found

    def planned(self, wanted, first, worker, silent=()):
        answers = {"dc1-cp-1": first, "dc1-w-1": worker}
        facts = observe({k: v for k, v in answers.items() if k not in silent}, frozenset(silent), {})
        return plan(wanted, facts, {"dc1-cp-1": CONTROL_PLANE, "dc1-w-1": GENERAL})

    @pytest.mark.parametrize(
        ("final", "files", "silent", "expected"),
        [
            (False, {}, (), "init"),
            (False, A_NODE, (), "wait_api"),
            (False, {}, ("dc1-w-1",), "wait_api"),  # it may hold anything
            (True, {}, (), "wait_api"),
        ],
    )
    def test_it_is_made_anew_where_nobody_can_have_joined(self, final, files, silent, expected):
        first = self.first(final=final, api=self.SILENT_API)
        found = self.planned(spec(), first, bare(files=files), silent)
        (step,) = [step for step in found.steps if step.verb in ("init", "wait_api")]
        assert step.verb == expected
        assert expected != "init" or step.how["anew"]

    @pytest.mark.parametrize(("others", "anew"), [([], True), ([node("dc1-w-9")], False)])
    def test_an_api_that_answers_knows_whether_somebody_joined(self, others, anew):
        first = self.first(phases=["kubeadm_config"])
        first["api"]["nodes"] += others
        found = self.planned(spec(), first, bare())
        assert [step.how["anew"] for step in found.steps if step.verb == "init"] == [anew]

    def test_nothing_that_may_be_a_cluster_is_made_anew(self):
        files = {**A_NODE, "etcd_data": True, "manifests": ["etcd"], "admin_conf": True}
        found = self.planned(spec(), bare(files=files), bare(files=A_NODE))
        assert [step.how["anew"] for step in found.steps if step.verb == "init"] == [False]

    def test_the_endpoint_and_the_configuration_follow_the_spec_too(self):
        before = spec()
        moved = spec(
            control_plane={
                **SPEC["control_plane"],
                "endpoint": {"address": "10.11.0.101", "virtual_router_id": 51},
            }
        )
        configuration = kubeadm_config.cluster_configuration(before)
        first = self.first(
            phases=["kubeadm_config"],
            view={"cluster_configuration": configuration},
            addresses=["10.11.0.11"],
            endpoint=carries(before, "dc1-cp-1"),
        )
        found = self.planned(moved, first, bare())
        assert not found.refusals
        assert [step.how["anew"] for step in found.steps if step.server == "dc1-cp-1" and step.how] == [
            True,  # prepare lays out the endpoint, too
            True,
        ]


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
    def test_one_that_left_the_spec_is_dropped_with_its_node(self, gone):
        """Its keepalived would hear none of the others, and carry the address besides."""
        wanted = spec(control_plane={**THREE, "servers": ["dc1-cp-1"]})
        answers = self.answers(wanted, "dc1-cp-1", "dc1-cp-2")
        answers["dc1-cp-1"]["api"]["nodes"] += [] if gone else [node("dc1-cp-2")]
        found = planned(wanted, {"dc1-cp-1": answers["dc1-cp-1"]})
        assert ("update_endpoint dc1-cp-1" in steps(found)) == gone
        assert any("dc1-cp-2 carries the endpoint" in note for note in found.notes) != gone
        assert any("dc1-cp-2 is dropped from the endpoint" in note for note in found.notes) == gone

    def test_one_whose_role_is_another_by_now_is_dropped_once_its_endpoint_has_ended(self):
        wanted = spec(control_plane={**THREE, "servers": ["dc1-cp-1"]}, spares=["dc1-cp-2"])
        answers = self.answers(wanted, "dc1-cp-1", "dc1-cp-2")
        packages = dict.fromkeys(("kubeadm", "kubelet", "kubectl"), "1.37.2-1.1")
        answers["dc1-cp-2"] |= {"packages": packages, "containerd": {"active": True}}
        places = {"dc1-cp-1": CONTROL_PLANE, "dc1-cp-2": specs.Assignment("dc1-prod", "spare", None)}

        def found(endpoint):
            servers = {name: answers[name] for name in places}
            servers["dc1-cp-2"] = servers["dc1-cp-2"] | {"endpoint": endpoint}
            return [step for step in steps(planned(wanted, servers, places)) if "settle" not in step]

        assert found(carries(wanted, "dc1-cp-1", "dc1-cp-2")) == ["preflight dc1-cp-2", "prepare dc1-cp-2"]
        assert found(None) == ["update_endpoint dc1-cp-1"]

    @pytest.mark.parametrize("told", [False, True])
    def test_who_is_to_replace_one_that_cannot_be_told_waits(self, told):
        """It would hear nothing of the one that left the spec, and carry the address besides.

        That others were told of it before says nothing.
        """
        wanted = spec(control_plane={**THREE, "servers": ["dc1-cp-1", "dc1-cp-2", "dc1-cp-4"]})
        answers = self.answers(wanted, "dc1-cp-1", "dc1-cp-2", "dc1-cp-3")
        answers["dc1-cp-1"]["api"]["nodes"].append(
            node("dc1-cp-3", {"node-role.kubernetes.io/control-plane": ""})
        )
        answers["dc1-cp-4"] = bare(addresses=["10.11.0.14"])
        del answers["dc1-cp-3"]
        answers["dc1-cp-1"]["endpoint"]["peers"] |= {"dc1-cp-4": "10.11.0.14"} if told else {}
        answers["dc1-cp-2"] |= {"endpoint": answers["dc1-cp-1"]["endpoint"]}
        found = planned(wanted, answers)
        assert "is not in the spec" in found.blocked["dc1-cp-4"]
        assert "dc1-cp-4" not in {step.server for step in found.steps}
        assert "join_control_plane dc1-cp-2" in steps(found)

    def test_a_new_one_waits_until_one_that_is_silent_can_be_told(self):
        wanted = spec(control_plane=THREE)
        answers = self.answers(wanted, "dc1-cp-1", "dc1-cp-2")
        del answers["dc1-cp-2"]
        found = plan(
            wanted, observe(answers, frozenset({"dc1-cp-2"}), {}), dict.fromkeys(ADDRESSES, CONTROL_PLANE)
        )
        assert "dc1-cp-2 carries the endpoint, must be told of it first" in found.blocked["dc1-cp-3"]
        assert "dc1-cp-3" not in {step.server for step in found.steps}

    def test_no_cluster_begins_on_a_server_that_must_wait(self):
        """Another one was prepared before: it would carry the address besides."""
        wanted = spec(control_plane={**THREE, "servers": ["dc1-cp-2"]}, spares=["dc1-cp-1"])
        answers = {name: bare(addresses=[ADDRESSES[name]]) for name in ("dc1-cp-1", "dc1-cp-2")}
        answers["dc1-cp-1"] |= {"endpoint": carries(wanted, "dc1-cp-1")}
        places = {"dc1-cp-2": CONTROL_PLANE, "dc1-cp-1": specs.Assignment("dc1-prod", "spare", None)}
        found = planned(wanted, answers, places)
        assert not found.steps
        assert "`salt dc1-cp-1 state.single k8s_server.endpoint_absent endpoint`" in found.refusals[0]

    def test_who_is_dropped_before_there_is_a_cluster_is_told(self):
        wanted = spec(control_plane={**THREE, "servers": ["dc1-cp-1"]})
        answers = {
            "dc1-cp-1": bare(addresses=["10.11.0.11"], endpoint=carries(wanted, "dc1-cp-1", "dc1-cp-3"))
        }
        assert any("dc1-cp-3 is dropped" in note for note in planned(wanted, answers).notes)

    def test_one_whose_node_is_held_is_told_all_the_same(self):
        wanted = spec(control_plane=THREE)
        answers = self.answers(wanted, *ADDRESSES)
        hold = Hold("drain", "", "bob", "a disk", moment(0, NOW), moment(600, NOW), was_cordoned=False)
        second = node("dc1-cp-2", unschedulable=True, hold=hold.to_dict())
        answers["dc1-cp-1"]["api"]["nodes"].append(second)
        answers["dc1-cp-2"] |= {"files": bare(files=A_NODE)["files"], "endpoint": carries(wanted, "dc1-cp-1")}
        assert "update_endpoint dc1-cp-2" in steps(planned(wanted, answers))

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
