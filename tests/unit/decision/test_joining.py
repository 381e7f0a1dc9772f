"""Who may join by asking: the id authorises, grains only narrow, and every refusal says why."""

import pytest

from k8s_lifecycle.decision.joining import grain_names, verdict
from k8s_lifecycle.model import spec as specs

SPEC = """
datacenter: dc1
environment: prod
kubernetes: {version: 1.37.2}
control_plane:
  servers: [dc1-cp-1]
  endpoint: {address: 10.11.0.100, virtual_router_id: 51}
pools:
  general: {servers: ["dc1-w-*"]}
  gpu: {servers: ["dc1-gpu-*"], grains: {k8s_pool: gpu}}
  db: {servers: [dc1-db-1], join: provision}
spares: ["dc1-spare-*"]
network_addon: {kind: none}
packages: {containerd: {version: 2.3.7-1}}
"""


@pytest.fixture
def catalogue(tmp_path):
    (tmp_path / "dc1-prod.yaml").write_text(SPEC)
    found = specs.load(tmp_path)
    assert not found.problems
    return found


@pytest.mark.parametrize(
    ("server", "grains"),
    [
        ("dc1-w-1", {}),
        ("dc1-w-1", {"k8s_role": "worker", "k8s_pool": "anything"}),
        ("dc1-gpu-1", {"k8s_pool": "gpu"}),
    ],
)
def test_a_server_that_a_pool_allows_is_accepted(catalogue, server, grains):
    found = verdict(catalogue, server, grains)
    assert found.accepted
    assert found.cluster == "dc1-prod"


@pytest.mark.parametrize(
    ("server", "grains", "reason"),
    [
        ("db-server", {}, "no pool of any cluster allows the id db-server"),
        ("dc1-w-1", {"k8s_role": "control-plane"}, "a grain makes no control plane"),
        ("db-server", {"k8s_role": "control-plane"}, "a grain makes no control plane"),
        ("dc1-cp-1", {"k8s_role": "control-plane"}, "it is a control plane of dc1-prod"),
        ("dc1-spare-1", {}, "it is a spare of dc1-prod"),
        ("dc1-db-1", {}, "a server of pool db joins by `salt-run k8s.provision dc1-prod`"),
        ("dc1-gpu-1", {}, "k8s_pool is not set and not gpu"),
        ("dc1-gpu-1", {"k8s_pool": "general"}, "k8s_pool is general and not gpu"),
    ],
)
def test_a_refusal_says_why(catalogue, server, grains, reason):
    found = verdict(catalogue, server, grains)
    assert not found.accepted
    assert reason in found.reason


def test_a_server_of_a_broken_spec_is_told_of_the_spec(tmp_path):
    (tmp_path / "dc1-prod.yaml").write_text(SPEC.replace("datacenter: dc1\n", ""))
    assert "the specs of dc1-prod are broken" in verdict(specs.load(tmp_path), "dc1-w-1", {}).reason


def test_the_grains_that_decide_are_asked_for(catalogue):
    assert grain_names(catalogue) == ["k8s_pool", "k8s_role"]
