"""The lab's secrets are what a site would make with Consul's own tools: checked by openssl itself."""

import base64
import crypt
import subprocess

import pytest
from site_build.pillar_secrets import Secrets

from k8s_lifecycle.model import secrets

SERVERS = {"dc1-a": "dc1", "dc1-b": "dc1", "dc2-a": "dc2"}
ADDRESS = "10.12.0.9"
REDIS = {"servers": ["dc1-r"], "exporter": "redis"}
SPECS = {
    "dc1": {
        "servers": ["dc1-*"],
        "monitoring": {
            "prometheus": {"servers": {"dc1-m": "10.11.0.9"}},
            "central": {"servers": {"dc1-c": ADDRESS}},
        },
        "consul": {"servers": {"dc1-a": "", "dc1-b": ""}, "services": {"redis": REDIS}},
    },
    "dc2": {
        "servers": ["dc2-*"],
        "monitoring": {"node_exporter": {"tls": True}, "prometheus": {"servers": {}}},
        "consul": {"servers": {"dc2-a": ""}},
    },
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Secrets(SPECS, tmp_path_factory.mktemp("secrets"))
    servers = [*SERVERS, "dc1-m", "dc1-c", "dc1-r", "dc1-x", "elsewhere"]
    return made, dict(made.of_all(dict.fromkeys(servers, ADDRESS)))


@pytest.fixture(scope="module")
def made(site):
    return {server: site[1][server]["consul"] for server in SERVERS}


def openssl(*words):
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True).stdout


def test_they_are_what_the_product_asks_for(made):
    for one in made.values():
        assert secrets.consul({"k8s_secrets": {"consul": one}})


def test_one_gossip_key_for_all_and_a_management_token_for_each_datacenter(made):
    assert len({one["gossip_key"] for one in made.values()}) == 1
    assert len(base64.b64decode(made["dc1-a"]["gossip_key"])) == 32
    tokens = {server: one["management_token"] for server, one in made.items()}
    assert tokens["dc1-a"] == tokens["dc1-b"] != tokens["dc2-a"]


@pytest.mark.parametrize("server", SERVERS)
def test_a_certificate_is_for_a_consul_server_of_its_datacenter_only(made, server, tmp_path):
    for name in ("authority", "certificate", "key"):
        (tmp_path / name).write_text(made[server][name])
    authority, certificate = tmp_path / "authority", tmp_path / "certificate"
    assert openssl("verify", "-CAfile", authority, certificate).endswith(": OK\n")
    names = openssl("x509", "-in", certificate, "-noout", "-ext", "subjectAltName,basicConstraints")
    assert f"DNS:server.{SERVERS[server]}.consul" in names
    assert "CA:FALSE" in names
    own = openssl("x509", "-in", certificate, "-noout", "-pubkey")
    assert own == openssl("pkey", "-in", tmp_path / "key", "-pubout")


def test_servers_have_what_their_datacenter_gives_them_and_no_more(site):
    kinds = {server: set(one) for server, one in site[1].items()}
    assert kinds == {
        "dc1-a": {"consul"},
        "dc1-b": {"consul"},
        "dc2-a": {"consul", "node_exporter"},
        "dc1-m": {"prometheus"},
        "dc1-c": {"prometheus"},
        "dc1-r": {"exporters"},
    }
    for read, server in ((secrets.node_exporter, "dc2-a"), (secrets.prometheus, "dc1-c")):
        assert read({"k8s_secrets": site[1][server]})


def test_each_datacenter_is_a_user_of_the_central_prometheus(site):
    made, found = site
    assert set(found["dc1-c"]["prometheus"]["users"]) == {"dc1", "dc2"}
    assert found["dc1-m"]["prometheus"]["central"]["password"] == made.to_central["dc1"]
    hashed = found["dc1-c"]["prometheus"]["users"]["dc1"]
    assert crypt.crypt(made.to_central["dc1"], hashed) == hashed


def test_a_password_opens_one_kind_of_thing(site):
    own = site[1]["dc1-m"]["prometheus"]
    assert secrets.prometheus({"k8s_secrets": {"prometheus": own}}).node_exporter
    hashed = site[1]["dc2-a"]["node_exporter"]["users"]["prometheus"]
    assert crypt.crypt(own["node_exporter"], hashed) == hashed
    assert crypt.crypt(own["password"], own["users"]["prometheus"]) == own["users"]["prometheus"]


def test_a_certificate_of_monitoring_is_for_the_address(site, tmp_path):
    made, found = site
    authority, certificate = tmp_path / "authority", tmp_path / "certificate"
    authority.write_text(made.monitoring.certificate)
    certificate.write_text(found["dc2-a"]["node_exporter"]["certificate"])
    said = openssl("verify", "-verify_ip", ADDRESS, "-CAfile", authority, certificate)
    assert said.endswith(": OK\n")
