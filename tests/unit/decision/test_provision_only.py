"""A provision for servers that ask to join: it joins a cluster that is there, and touches nothing else."""

import dataclasses

import pytest
from answers import MEMBER, bare, control_plane

from k8s_lifecycle.decision.provision import plan
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.facts import observe

SPEC = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.37.2"},
    "control_plane": {
        "servers": ["dc1-cp-1"],
        "endpoint": {"address": "10.11.0.100", "virtual_router_id": 51},
    },
    "pools": {"general": {"servers": ["dc1-w-*"], "labels": {"pool": "general"}}},
    "network_addon": {
        "values": {"image": "registry.example/flannel:v1", "cni_plugin_image": "registry.example/cni:v1"}
    },
    "packages": {"containerd": {"version": "2.3.7-1"}},
}


@pytest.fixture
def spec():
    found, problems = specs.parse("dc1-prod", SPEC)
    assert not problems
    return found


@pytest.fixture
def assignments():
    workers = {f"dc1-w-{number}": specs.Assignment("dc1-prod", "worker", "general") for number in (1, 2, 3)}
    return {"dc1-cp-1": specs.Assignment("dc1-prod", "control-plane", None), **workers}


def steps(found):
    return [str(step) for step in found.steps]


def asked(spec, assignments, answers, *only):
    return plan(spec, observe(answers, frozenset(assignments) - set(answers), {}), assignments, only=only)


def test_only_the_servers_that_asked_are_joined(spec, assignments):
    answers = {"dc1-cp-1": control_plane(), "dc1-w-2": bare(), "dc1-w-3": bare()}
    found = asked(spec, assignments, answers, "dc1-w-3")
    assert steps(found) == [
        "preflight dc1-w-3",
        "prepare dc1-w-3",
        "join_worker dc1-w-3",
        "settle dc1-w-3",
    ]
    assert not found.blocked


def test_they_get_the_version_that_the_cluster_runs(spec, assignments):
    answers = {"dc1-cp-1": control_plane("1.36.3"), "dc1-w-3": bare()}
    found = asked(spec, assignments, answers, "dc1-w-3")
    assert {step.how["version"] for step in found.steps if "version" in step.how} == {"1.36.3"}


def test_fifty_that_ask_at_once_are_joined_in_the_specs_window(spec, assignments):
    workers = [f"dc1-w-{number}" for number in range(10, 60)]
    assignments = assignments | dict.fromkeys(workers, assignments["dc1-w-1"])
    answers = {"dc1-cp-1": control_plane(), **{server: bare() for server in workers}}
    joins = next(wave for wave in asked(spec, assignments, answers, *workers).waves if wave.name == "workers")
    assert [step.server for step in joins.steps] == workers
    assert joins.window == spec.limits.concurrency


def test_the_binding_that_approves_anything_is_removed_first(spec, assignments):
    other = {**MEMBER, "name": "dc1-cp-2", "id": "2"}
    answers = {"dc1-cp-1": control_plane(auto_approve=True, others=[other]), "dc1-w-3": bare()}
    assert "restrict_bootstrap dc1-cp-1" in steps(asked(spec, assignments, answers, "dc1-w-3"))


def test_a_server_that_is_named_and_does_not_join_is_told_why(spec, assignments):
    spec = dataclasses.replace(
        spec, pools={"general": dataclasses.replace(spec.pools["general"], grains={"rack": "a"})}
    )
    answers = {"dc1-cp-1": control_plane(), "dc1-w-2": bare(grains={}), "dc1-w-3": bare(grains={})}
    found = asked(spec, assignments, answers, "dc1-w-3")
    assert not found.steps
    assert list(found.blocked) == ["dc1-w-3"]
    assert "rack" in found.blocked["dc1-w-3"]


@pytest.mark.parametrize("control", [bare(), control_plane(phases=("kubeadm_config",))])
def test_a_server_that_asks_begins_no_cluster(spec, assignments, control):
    found = asked(spec, assignments, {"dc1-cp-1": control, "dc1-w-3": bare()}, "dc1-w-3")
    assert not found.steps
    assert "run `salt-run k8s.provision dc1-prod` first" in found.refusals[0]
