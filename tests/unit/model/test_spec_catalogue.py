"""Loading the clusters of a site: broken files, clashes between clusters, the place of a server."""

import os

import pytest
import yaml

from k8s_lifecycle.model.spec import Assignment, InvalidSpecError, load

STAGING = {
    "environment": "staging",
    "control_plane.servers": ["dc1-scp-1"],
    "control_plane.endpoint.address": "10.11.0.101",
    "control_plane.endpoint.virtual_router_id": 52,
    "networks.pods": "10.200.0.0/16",
    "networks.services": "10.112.0.0/16",
    "pools.general.servers": ["dc1-sw-*"],
    "pools.db.servers": [],
    "spares": [],
}


@pytest.fixture
def site(tmp_path, change):
    """A function that writes cluster files and loads them; by default prod and staging in one datacenter."""

    def written(prod=None, staging=None, **texts):
        for name, values in (("dc1-prod", prod or {}), ("dc1-staging", STAGING | (staging or {}))):
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(change(**values)))
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return load(tmp_path)

    return written


def messages(catalogue):
    return [str(problem) for problem in catalogue.problems]


def test_two_sound_clusters(site):
    catalogue = site()
    assert messages(catalogue) == []
    assert list(catalogue.specs) == ["dc1-prod", "dc1-staging"]


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("dc1-cp-1", Assignment("dc1-prod", "control-plane", None)),
        ("dc1-sw-5", Assignment("dc1-staging", "worker", "general")),
        ("dc1-spare-1", Assignment("dc1-prod", "spare", None)),
        ("dc2-cp-1", None),
    ],
)
def test_the_place_of_a_server(site, server, place):
    assert site().assignment(server) == place


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "broken.yaml:2: while parsing a flow sequence expected ',' or ']', but got ':'"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "broken.yaml:4: 'c' is written twice"),
        ("a: !!python/name:os.system\n", "broken.yaml:1: could not determine a constructor for the tag"),
    ],
)
def test_yaml_mistakes_have_their_line(site, text, message):
    catalogue = site(broken=text)
    (problem,) = catalogue.problems
    assert str(problem).startswith(message)
    assert problem.clusters == ("broken",)
    assert list(catalogue.specs) == ["dc1-prod", "dc1-staging"]


def test_a_merge_key_may_repeat_keys(site):
    catalogue = site(third="x: &base {a: 1}\ny: {<<: *base, a: 2}\n")
    assert not [message for message in messages(catalogue) if "twice" in message]


def test_a_file_with_another_ending_is_not_ignored_in_silence(site, tmp_path):
    (tmp_path / "dc2-prod.yml").write_text("")
    assert messages(site()) == ["dc2-prod.yml: is not read — rename it to dc2-prod.yaml"]


def test_a_directory_that_is_not_there(tmp_path):
    assert messages(load(tmp_path / "none")) == [
        f"{tmp_path}/none: is not a directory — write the one with the clusters' files"
    ]


@pytest.mark.parametrize(
    ("staging", "message"),
    [
        (
            {"control_plane.endpoint.virtual_router_id": 51},
            "control_plane.endpoint.virtual_router_id: 51 is also that of dc1-prod in datacenter dc1 — "
            "write a number from 1 to 255 that the datacenter has not used",
        ),
        (
            {"control_plane.endpoint.address": "10.11.0.100"},
            "control_plane.endpoint.address: 10.11.0.100 is also that of dc1-prod in datacenter dc1 — "
            "write a free address",
        ),
        (
            {"control_plane.endpoint.address": "10.244.7.7"},
            "control_plane.endpoint.address: 10.244.7.7 is inside networks.pods 10.244.0.0/16 of dc1-prod "
            "in datacenter dc1 — write an address of the servers' own network",
        ),
        (
            {"networks.pods": "10.244.0.0/16"},
            "networks.pods: 10.244.0.0/16 overlaps networks.pods 10.244.0.0/16 of dc1-prod "
            "in datacenter dc1 — write networks that are apart",
        ),
        (
            {"networks.services": "10.96.0.0/16"},
            "networks.services: 10.96.0.0/16 overlaps networks.services 10.96.0.0/12 of dc1-prod "
            "in datacenter dc1 — write networks that are apart",
        ),
        (
            {"pools.general.servers": ["dc1-cp-3"]},
            "pools.general.servers[0]: 'dc1-cp-3' is the same server as 'dc1-cp-3' in dc1-prod.yaml "
            "control_plane.servers[2] — list a server once: it has one place in one cluster",
        ),
        (
            {"pools.general.servers": ["dc1-c*"]},
            "pools.general.servers[0]: 'dc1-c*' can name the same servers as 'dc1-cp-1' in dc1-prod.yaml "
            "control_plane.servers[0] and 2 more — write narrower globs",
        ),
    ],
)
def test_clashes_take_both_clusters_out(site, staging, message):
    catalogue = site(staging=staging)
    assert messages(catalogue) == [f"dc1-staging.yaml: {message}"]
    assert not catalogue.specs
    assert catalogue.problems_of("dc1-prod") == catalogue.problems_of("dc1-staging") == catalogue.problems


def test_another_datacenter_may_use_the_same_numbers_but_not_the_same_servers(site):
    other = {
        "datacenter": "dc2",
        "control_plane.endpoint.virtual_router_id": 51,
        "control_plane.endpoint.address": "10.11.0.100",
        "networks.pods": "10.244.0.0/16",
        "networks.services": "10.96.0.0/12",
    }
    assert messages(site(staging=other)) == []
    assert len(messages(site(staging=other | {"spares": ["dc1-w-*"]}))) == 1


def test_a_broken_setting_is_not_compared(site):
    catalogue = site(staging={"control_plane.endpoint.virtual_router_id": 51, "datacenter": "DC1"})
    assert [problem.path for problem in catalogue.problems] == ["dc1-staging.yaml: datacenter"]
    assert list(catalogue.specs) == ["dc1-prod"]


def test_select(site):
    catalogue = site()
    assert [spec.name for spec in catalogue.select(datacenter="dc1")] == ["dc1-prod", "dc1-staging"]
    assert [spec.name for spec in catalogue.select(environment="staging")] == ["dc1-staging"]
    assert [spec.name for spec in catalogue.select(cluster="dc1-prod")] == ["dc1-prod"]
    assert catalogue.select(cluster="dc1-prod", environment="staging") == []


def test_a_cluster_that_does_not_exist(site, tmp_path):
    with pytest.raises(InvalidSpecError) as refusal:
        site().spec("dc1-prd")
    assert str(refusal.value) == f"{tmp_path}: there is no dc1-prd.yaml — did you mean 'dc1-prod'?"


def test_a_cluster_that_is_broken(site):
    with pytest.raises(InvalidSpecError) as refusal:
        site(prod={"spares": ["a_b"], "datacenter": None}).spec("dc1-prod")
    assert len(str(refusal.value).splitlines()) == 2


def test_files_are_read_again_only_after_a_change(site, tmp_path):
    first = site()
    assert load(tmp_path) is first
    file = tmp_path / "dc1-prod.yaml"
    file.write_text(file.read_text().replace("1.37.2", "1.37.3"))
    os.utime(file, ns=(0, 0))
    assert load(tmp_path).specs["dc1-prod"].kubernetes.version == "1.37.3"
