"""The example pillar, compiled by Salt for some servers of its two datacenters."""

from pathlib import Path

import pytest
import salt.config
import salt.pillar
import yaml

from k8s_lifecycle.model import external
from k8s_lifecycle.model.datacenter import Datacenter
from k8s_lifecycle.model.datacenters import load as load_datacenters
from k8s_lifecycle.model.schema import rows
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.model.spec import load

CHECKOUT = Path(__file__).parents[3]
CLUSTERS = CHECKOUT / "pillar" / "clusters"
DATACENTERS = CHECKOUT / "pillar" / "datacenters"


@pytest.fixture
def compiled(tmp_path):
    """A function that compiles the pillar of a server as the master does."""

    def compile_pillar(server, clusters=CLUSTERS, **grains):
        opts = salt.config.master_config(None)
        opts.update(
            cachedir=str(tmp_path / "cache"),
            extension_modules=str(tmp_path / "extmods"),
            pillar_roots={"base": [str(CHECKOUT / "pillar")]},
            pillar_dirs=[str(CHECKOUT / "_pillar")],
            ext_pillar=[{"k8s_clusters": str(clusters)}, {"k8s_datacenters": str(DATACENTERS)}],
        )
        pillar = salt.pillar.Pillar(opts, {"id": server, **grains}, server, "base").compile_pillar()
        assert "_errors" not in pillar
        return pillar

    return compile_pillar


def test_all_clusters_are_sound():
    catalogue = load(CLUSTERS)
    assert catalogue.problems == []
    assert list(catalogue.specs) == ["dc1-prod", "dc1-staging", "dc2-prod"]


def test_the_clusters_of_others_are_sound():
    found = external.load(CLUSTERS, load(CLUSTERS).specs)
    assert found.problems == ()
    shown = yaml.safe_load((CLUSTERS / "external/gke-shop.yaml").read_text())
    missing = [row.path for row in rows(external.External) if not _is_shown(shown, row.path)]
    assert missing == ["name", "access.context"]


def test_the_clusters_of_the_lab_are_sound():
    catalogue = load(CHECKOUT / "lab" / "pillar" / "clusters")
    assert catalogue.problems == []
    assert list(catalogue.specs) == ["dc1-prod", "dc2-prod"]


def test_one_cluster_shows_every_key():
    shown = yaml.safe_load((CLUSTERS / "dc1-prod.yaml").read_text())
    missing = [row.path for row in rows(Spec) if not _is_shown(shown, row.path.replace("NAME", "db"))]
    assert missing == ["network_addon.source"]


def _is_shown(value, path):
    for key in path.replace("[]", ".0").split("."):
        value = value[int(key)] if isinstance(value, list) else value.get(key)
    return value is not None


def test_a_control_plane_gets_its_cluster_and_its_secrets(compiled):
    pillar = compiled("dc1-cp-2", datacenter="dc1", environment="prod")
    assert {key: pillar["k8s"][key] for key in ("cluster", "role", "pool")} == {
        "cluster": "dc1-prod",
        "role": "control-plane",
        "pool": None,
    }
    assert pillar["k8s"]["spec"]["control_plane"]["endpoint"]["address"] == "10.11.0.100"
    assert set(pillar["site"]) == {"resolvers", "consul_datacenter", "alerts", "backup"}


def test_a_worker_gets_its_pool_and_no_secrets(compiled):
    pillar = compiled("dc1-w-12", datacenter="dc1", environment="prod")
    assert (pillar["k8s"]["role"], pillar["k8s"]["pool"]) == ("worker", "general")
    assert "backup" not in pillar["site"]


@pytest.mark.parametrize(
    ("grains", "member"), [({"k8s_pool": "db"}, True), ({"k8s_pool": "web"}, False), ({}, False)]
)
def test_grains_narrow_a_pool(compiled, grains, member):
    assert ("k8s" in compiled("dc1-db-1", **grains)) is member


def test_a_server_that_claims_everything_gets_nothing_of_a_cluster(compiled):
    claims = {"datacenter": "dc1", "environment": "prod", "k8s_role": "control-plane", "k8s_pool": "db"}
    pillar = compiled("dc1-intruder", **claims)
    assert "k8s" not in pillar
    assert "backup" not in pillar["site"]


def test_only_the_servers_of_a_broken_cluster_are_told_what_is_wrong(compiled, tmp_path):
    (tmp_path / "dc1-prod.yaml").write_text((CLUSTERS / "dc1-prod.yaml").read_text() + "typo: 1\n")
    (tmp_path / "dc2-prod.yaml").write_text((CLUSTERS / "dc2-prod.yaml").read_text())
    (tmp_path / "dc3-prod.yaml").write_text("datacenter: [")
    assert compiled("dc2-w-1", tmp_path)["k8s"]["cluster"] == "dc2-prod"
    (problem,) = compiled("dc1-w-1", tmp_path)["k8s"]["problems"]
    assert problem.startswith("dc1-prod.yaml: typo: ")
    assert "k8s" not in compiled("web-7", tmp_path)


def test_all_datacenters_are_sound():
    found = load_datacenters(DATACENTERS)
    assert found.problems == []
    assert list(found.usable) == ["dc1", "dc2"]


def test_the_datacenters_of_the_lab_are_sound():
    found = load_datacenters(CHECKOUT / "lab" / "pillar" / "datacenters")
    assert found.problems == []
    assert list(found.usable) == ["dc1", "dc2"]


def test_one_datacenter_shows_every_key():
    shown = yaml.safe_load((DATACENTERS / "dc1.yaml").read_text())
    named = {"limits.NAME": "limits.apiserver", "NAME": "shop"}
    paths = [row.path for row in rows(Datacenter)]
    for name, ours in named.items():
        paths = [path.replace(name, ours) for path in paths]
    missing = [path for path in paths if not _is_shown(shown, path)]
    assert missing == [
        f"consul.services.shop.{key}" for key in ("tags", "check.tcp", "check.timeout", "exporter")
    ]


def test_a_server_in_no_cluster_is_in_its_datacenter(compiled):
    pillar = compiled("dc1-redis-1")
    assert pillar["k8s_datacenter"]["name"] == "dc1"
    assert pillar["k8s_datacenter"]["peers"] == {"dc2": ["10.12.0.7", "10.12.0.8", "10.12.0.9"]}
    assert "k8s" not in pillar


def test_secrets_of_consul_go_to_its_servers_only(compiled):
    assert set(compiled("dc1-consul-2")["k8s_secrets"]) == {"consul", "node_exporter"}
    assert set(compiled("dc1-w-1", datacenter="dc1")["k8s_secrets"]) == {"node_exporter"}


def test_secrets_of_prometheus_go_to_its_servers_only(compiled):
    assert set(compiled("dc1-mon-1")["k8s_secrets"]) == {"prometheus", "node_exporter"}
    assert set(compiled("dc1-redis-1")["k8s_secrets"]["exporters"]) == {"redis"}
    assert set(compiled("dc1-mariadb-1")["k8s_secrets"]["exporters"]) == {"mysqld"}
    assert "k8s_secrets" not in compiled("dc2-mon-1", datacenter="dc1")


def test_a_server_that_claims_everything_gets_no_secret(compiled):
    claims = {"id": "dc1-consul-1", "datacenter": "dc1", "k8s_role": "control-plane"}
    pillar = compiled("web-7", **claims)
    assert "k8s_secrets" not in pillar
    assert "k8s_datacenter" not in pillar


def test_a_prometheus_server_knows_the_clusters_of_its_datacenter_and_no_other_server_does(compiled):
    clusters = compiled("dc1-mon-1")["k8s_datacenter"]["clusters"]
    assert [one["name"] for one in clusters] == ["dc1-prod", "dc1-staging"]
    assert clusters[0] == {"name": "dc1-prod", "environment": "prod", "api": "10.11.0.100:8443"}
    assert "clusters" not in compiled("dc1-w-1", datacenter="dc1")["k8s_datacenter"]
