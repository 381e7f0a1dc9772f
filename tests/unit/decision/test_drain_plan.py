"""The plan of a drain: in which order, how many at once, and what is refused before anything is touched."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from answers import control_plane, node

from k8s_lifecycle.decision.drain import Wanted, plan
from k8s_lifecycle.decision.holding import hold, release, uncordon
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.facts import observe
from k8s_lifecycle.model.hold import Hold, moment

SPEC = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.36.3"},
    "control_plane": {
        "servers": ["dc1-cp-1"],
        "endpoint": {"address": "10.11.0.100", "virtual_router_id": 51},
    },
    "pools": {"general": {"servers": ["dc1-w-*"], "max_unavailable": 2}},
    "network_addon": {"kind": "none"},
    "packages": {"containerd": {"version": "2.3.7-1"}},
}
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
OURS = Hold("drain", "run-2", "ann@master", "a new disk", moment(0, NOW), moment(600, NOW))
THEIRS = Hold("upgrade", "run-1", "bob@master", "to 1.37", moment(0, NOW), moment(600, NOW))
BY_HAND = Hold("hold", "", "bob@master", "memory errors", moment(0, NOW), moment(600, NOW), was_cordoned=True)
POD = {"pod": "shop/web", "why": "of ReplicaSet web"}


@pytest.fixture
def spec():
    found, problems = specs.parse("dc1-prod", SPEC)
    assert not problems
    return found


def facts(**nodes):
    names = {"dc1-w-1": {}, "dc1-w-2": {}} | {name.replace("_", "-"): how for name, how in nodes.items()}
    found = [node(name, **how) for name, how in names.items()]
    return observe({"dc1-cp-1": control_plane(nodes=found)}, frozenset(), {})


def look(goes=(POD,), forbidden=(), **how):
    empty = {"hold": None, "unreachable": False, "stays": [], "attachments": [], "volumes": []}
    return {**empty, "goes": list(goes), "forbidden": list(forbidden), **how}


def planned(spec, found, looks, *servers, **wanted):
    worker = specs.Assignment("dc1-prod", "worker", "general")
    places = {
        "dc1-cp-1": specs.Assignment("dc1-prod", "control-plane", None),
        "dc1-w-1": worker,
        "dc1-w-2": worker,
    }
    return plan(spec, found, places, looks, Wanted(servers, OURS, NOW, **wanted))


def test_all_nodes_are_held_before_the_first_pod_is_evicted(spec):
    servers = ("dc1-cp-1", "dc1-w-1", "dc1-w-2")
    found = planned(spec, facts(), {server: look() for server in servers}, *servers)
    assert [(wave.name, [step.server for step in wave.steps], wave.window) for wave in found.waves] == [
        ("no new pods", list(servers), 3),
        ("drain control planes", ["dc1-cp-1"], 1),
        ("drain pool general", ["dc1-w-1", "dc1-w-2"], 2),
    ]
    assert "dc1-w-1: shop/web goes: of ReplicaSet web" in found.notes


def test_what_is_drained_and_kept_is_left_alone(spec):
    kept = replace(OURS, run="").to_dict()
    found = planned(
        spec, facts(dc1_w_1={"hold": kept, "unschedulable": True}), {"dc1-w-1": look(())}, "dc1-w-1"
    )
    assert found.converged


@pytest.mark.parametrize(
    "changed", [{"unschedulable": False}, {"hold": replace(OURS, run="", until=moment(-60, NOW)).to_dict()}]
)
def test_what_somebody_opened_or_is_kept_no_longer_is_held_again(spec, changed):
    kept = {"hold": replace(OURS, run="").to_dict(), "unschedulable": True} | changed
    found = planned(spec, facts(dc1_w_1=kept), {"dc1-w-1": look(())}, "dc1-w-1")
    assert [str(step) for step in found.steps] == ["hold dc1-w-1", "drain dc1-w-1"]


def test_what_this_run_has_kept_is_left_to_whoever_opens_it_since(spec):
    found = planned(spec, facts(), {"dc1-w-1": look()}, "dc1-w-1", done=frozenset({"dc1-w-1"}))
    assert found.converged


def test_a_node_with_pods_again_is_drained_again(spec):
    kept = replace(OURS, run="").to_dict()
    found = planned(spec, facts(dc1_w_1={"hold": kept}), {"dc1-w-1": look()}, "dc1-w-1")
    assert [str(step) for step in found.steps] == ["hold dc1-w-1", "drain dc1-w-1"]


@pytest.mark.parametrize("held", [THEIRS, BY_HAND, replace(OURS, run="run-1")])
def test_a_node_that_another_one_holds_is_refused(spec, held):
    found = planned(
        spec, facts(dc1_w_1={"hold": held.to_dict(), "unschedulable": True}), {"dc1-w-1": look()}, "dc1-w-1"
    )
    assert found.steps == ()
    assert f"held by {held.operation} by {held.who}" in found.refusals[0]


def test_the_hold_of_a_dead_run_of_the_same_operation_is_no_obstacle(spec):
    held = replace(OURS, run="run-1").to_dict()
    looks = {"dc1-w-1": look()}
    found = planned(spec, facts(dc1_w_1={"hold": held}), looks, "dc1-w-1", dead=frozenset({"run-1"}))
    assert found.refusals == ()
    assert found.steps


def test_what_would_be_lost_is_refused_by_name(spec):
    lost = {"pod": "shop/alone", "why": "it has no controller: nobody makes it anew (force)"}
    found = planned(spec, facts(), {"dc1-w-1": look(forbidden=[lost])}, "dc1-w-1")
    said = (
        "dc1-w-1: shop/alone: it has no controller: nobody makes it anew (force) — move or delete it yourself"
    )
    assert found.refusals == (f"{said}, or name that option",)


def test_a_server_without_a_node_is_refused(spec):
    found = planned(spec, facts(), {"dc1-w-9": None}, "dc1-w-9")
    assert "the cluster has no node dc1-w-9" in found.refusals[0]


def test_without_an_api_nothing_is_planned(spec):
    found = planned(spec, observe({}, frozenset({"dc1-cp-1"}), {}), {}, "dc1-w-1")
    assert "no control plane server's API answers" in found.refusals[0]


def test_a_hold_by_hand_that_lasts_is_not_written_again(spec):
    mine = replace(BY_HAND, who="ann@master", was_cordoned=False)
    held = facts(dc1_w_1={"hold": mine.to_dict(), "unschedulable": True})
    assert hold(spec, held, ["dc1-w-1"], mine, NOW).converged
    longer = replace(mine, until=moment(7200, NOW))
    assert [str(step) for step in hold(spec, held, ["dc1-w-1"], longer, NOW).steps] == ["hold dc1-w-1"]
    assert hold(spec, held, ["dc1-w-1"], replace(longer, who="eve@master"), NOW).refusals


def test_a_release_says_what_the_node_will_be(spec):
    held = facts(dc1_w_1={"hold": BY_HAND.to_dict(), "unschedulable": True})
    (step,) = release(spec, held, ["dc1-w-1"], (), NOW, force=False).steps
    assert "it stays cordoned" in step.reason
    assert release(spec, facts(), ["dc1-w-1"], (), NOW, force=False).converged


def test_a_run_at_work_is_released_by_force_only(spec):
    held = facts(dc1_w_1={"hold": THEIRS.to_dict(), "unschedulable": True})
    assert "stop that run" in release(spec, held, ["dc1-w-1"], (), NOW, force=False).refusals[0]
    assert release(spec, held, ["dc1-w-1"], (), NOW, force=True).steps
    assert release(spec, held, ["dc1-w-1"], ["run-1"], NOW, force=False).steps


def test_uncordon_opens_what_a_drain_has_kept_or_nobody_holds(spec):
    kept = {"hold": replace(OURS, run="").to_dict(), "unschedulable": True}
    assert uncordon(spec, facts(dc1_w_1=kept), ["dc1-w-1"], (), NOW).steps
    assert uncordon(spec, facts(dc1_w_1={"unschedulable": True}), ["dc1-w-1"], (), NOW).steps
    assert uncordon(spec, facts(), ["dc1-w-1"], (), NOW).converged
    assert uncordon(spec, facts(dc1_w_1={"hold": BY_HAND.to_dict()}), ["dc1-w-1"], (), NOW).refusals
