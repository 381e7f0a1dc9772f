"""The lab's secrets are what a site would make with Consul's own tools: checked by openssl itself."""

import base64
import subprocess

import pytest
from site_build.pillar_secrets import consul_secrets

from k8s_lifecycle.model import secrets

SERVERS = {"dc1-a": "dc1", "dc1-b": "dc1", "dc2-a": "dc2"}


@pytest.fixture(scope="module")
def made():
    return {server: one["consul"] for server, one in consul_secrets(SERVERS).items()}


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
