"""Reading a sound spec: defaults, plain data, roles."""

import json

import pytest

from k8s_lifecycle.model.spec import InvalidSpecError, from_dict, parse


@pytest.fixture
def spec(change):
    return parse("dc1-prod", change())[0]


def test_a_sound_spec_has_no_problems(change):
    spec, problems = parse("dc1-prod", change())
    assert problems == []
    assert spec.name == "dc1-prod"


def test_defaults(spec):
    assert spec.control_plane.endpoint.kind == "managed"
    assert spec.control_plane.endpoint.port == 8443
    assert spec.networks.services == "10.96.0.0/12"
    assert spec.kernel_modules == ("overlay", "br_netfilter")
    assert spec.pools["db"].max_unavailable == 1
    assert spec.images.pause is None
    assert spec.network_addon.values["backend"] == "vxlan"


def test_an_empty_key_counts_as_not_written(change):
    assert parse("dc1-prod", change() | {"networks": None, "kubelet": None})[1] == []


def test_so_does_one_in_what_is_passed_through(change):
    written = {"kubeadm.cluster": {"apiServer": None, "dns": {"disabled": None, "imageTag": "v1"}}}
    assert parse("dc1-prod", change(**written))[0].kubeadm.cluster == {"dns": {"imageTag": "v1"}}


@pytest.mark.parametrize("check", ["FileContent--proc-sys-net-ipv4-ip_forward", "FileAvailable--a.yaml"])
def test_preflight_checks_are_called_as_kubeadm_calls_them(change, check):
    assert parse("dc1-prod", change(**{"kubeadm.ignore_preflight_errors": [check]}))[1] == []


def test_derived_defaults(change):
    spec, _ = parse(
        "dc1-prod",
        change(**{"control_plane.endpoint.host": None, "images.repository": "registry.example/kubernetes"}),
    )
    assert spec.control_plane.endpoint.authority == "10.11.0.100:8443"
    assert spec.images.pause == "registry.example/kubernetes/pause:3.10.2"


def test_plain_data_survives_json_and_gives_the_same_spec(spec):
    assert from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_plain_data_that_is_no_spec_is_refused(spec):
    with pytest.raises(InvalidSpecError, match=r"dc1-prod\.yaml: datacenter: missing"):
        from_dict(spec.to_dict() | {"datacenter": None})


def test_plain_data_is_not_shared_with_the_spec(spec):
    spec.to_dict()["network_addon"]["values"]["backend"] = "host-gw"
    assert spec.to_dict()["network_addon"]["values"]["backend"] == "vxlan"


@pytest.mark.parametrize(
    ("server", "role", "pool"),
    [
        ("dc1-cp-2", "control-plane", None),
        ("dc1-w-17", "worker", "general"),
        ("dc1-db-1", "worker", "db"),
        ("dc1-spare-1", "spare", None),
        ("dc1-spare-10", None, None),
        ("dc1-db-3", None, None),
    ],
)
def test_role_and_pool_of_a_server(spec, server, role, pool):
    assert (spec.role_of(server), spec.pool_of(server)) == (role, pool)


def test_grains_narrow_a_pool_and_never_widen_it(change):
    spec, _ = parse("dc1-prod", change(**{"pools.db.grains": {"k8s_pool": "db"}}))
    assert spec.role_of("dc1-db-1") == "worker"
    assert spec.role_of("dc1-db-1", {"k8s_pool": "db"}) == "worker"
    assert spec.role_of("dc1-db-1", {"k8s_pool": "general"}) is None
    assert spec.role_of("dc1-db-1", {}) is None
    assert spec.role_of("dc1-other-1", {"k8s_pool": "db"}) is None
    assert spec.role_of("dc1-cp-1", {"k8s_pool": "db"}) == "control-plane"


def test_a_node_is_named_after_its_server_in_lower_case(spec):
    assert spec.node_name("DC1-W-1.Example") == "dc1-w-1.example"
