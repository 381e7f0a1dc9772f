"""An admission from its mint to the target: who may get one, what is in it, and that it opens once."""

import pytest
from fake_api import FakeApi

from k8s_lifecycle.cluster import admission, approver, bootstrap_token, minting, sealing, servers
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import spec as specs

PILLAR = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.37.2"},
    "control_plane": {
        "servers": ["cp-1", "cp-2", "cp-3"],
        "endpoint": {"address": "10.0.0.100", "virtual_router_id": 7},
    },
    "pools": {"general": {"servers": ["w-*"]}, "db": {"servers": ["db-*"]}},
    "network_addon": {"kind": "none"},
    "packages": {"containerd": {"version": "2.3.7-1"}},
}
TTL = 600


@pytest.fixture
def spec():
    found, problems = specs.parse("dc1-prod", PILLAR)
    assert not problems
    return found


@pytest.fixture
def api():
    return FakeApi({"/version": {"metadata": {}, "gitVersion": "v1.37.2"}})


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A control plane server with its authorities; approvers are only noted."""
    for name in (*minting.AUTHORITIES, *minting.ETCD_AUTHORITY):
        path = tmp_path / "pki" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    monkeypatch.setattr(minting, "PKI", tmp_path / "pki")
    started = []
    monkeypatch.setattr(minting.command, "output", lambda *words, **_: started.append(words))
    return started


def applicant(public, **changes):
    fields = {
        "server": "w-1",
        "node": "w-1",
        "role": "worker",
        "pool": "general",
        "public": public,
        "addresses": ("10.0.0.21", "10.0.0.100", "10.244.3.1"),
        **changes,
    }
    return minting.Applicant(**fields)


def mint(api, spec, **changes):
    public = changes.pop("public", None) or sealing.public_key(sealing.new_private_key())
    now = int(sealing.time.time())
    return minting.mint(api, spec, applicant(public, **changes), now + TTL)


def test_a_worker_gets_what_it_needs_and_no_authority(api, spec, site, tmp_path):
    public = admission.request("dc1-prod", tmp_path)
    minted = mint(api, spec, public=public)
    material = admission.open_box(minted["box"], "w-1", tmp_path)
    (document,) = material.documents
    assert document["discovery"]["tlsBootstrapToken"].startswith(minted["token_id"])
    assert document["discovery"]["file"]["kubeConfigPath"].endswith(minting.DISCOVERY)
    assert "controlPlane" not in document
    assert material.pki == {}


def test_a_control_plane_gets_the_shared_authorities(api, spec, site, tmp_path):
    public = admission.request("dc1-prod", tmp_path)
    minted = mint(api, spec, public=public, server="cp-2", node="cp-2", role="control-plane", pool=None)
    material = admission.open_box(minted["box"], "cp-2", tmp_path)
    assert set(material.pki) == {*minting.AUTHORITIES, *minting.ETCD_AUTHORITY}
    assert material.documents[0]["controlPlane"]["localAPIEndpoint"]["advertiseAddress"] == "10.0.0.21"


def test_the_token_is_short_lived_and_only_for_logging_in(api, spec, site):
    minted = mint(api, spec)
    secret = api.objects[bootstrap_token.path(minted["token_id"])]
    assert secret["metadata"]["annotations"][approver.NODE] == "w-1"
    assert secret["stringData"]["usage-bootstrap-authentication"] == "true"
    assert "usage-bootstrap-signing" not in secret["stringData"]


def test_its_node_is_recorded_with_its_own_addresses_only(api, spec, site):
    mint(api, spec)
    assert servers.addresses(api) == {"w-1": frozenset({"10.0.0.21"})}


def test_an_approver_is_started_that_knows_the_id_and_no_secret(api, spec, site):
    minted = mint(api, spec)
    secret = api.objects[bootstrap_token.path(minted["token_id"])]["stringData"]["token-secret"]
    assert site[0][-1] == minted["token_id"]
    assert not any(secret in word for word in site[0])


def test_without_an_approver_there_is_no_token(api, spec, site, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("systemd-run failed")

    monkeypatch.setattr(minting.command, "output", fails)
    with pytest.raises(RuntimeError):
        mint(api, spec)
    assert not [path for path in api.objects if path.startswith(bootstrap_token.COLLECTION)]


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "control-plane", "pool": None},
        {"pool": "db"},
        {"server": "stranger", "node": "stranger"},
        {"server": "cp-2", "node": "cp-2"},
        {"node": "cp-1"},
    ],
)
def test_the_minion_id_authorises_and_nothing_else(api, spec, site, changes):
    with pytest.raises(HostError, match="correct the spec, or ask for what it allows"):
        mint(api, spec, **changes)
    assert site == []


def test_a_server_newer_than_the_cluster_is_refused(api, spec, site):
    api.objects["/version"]["gitVersion"] = "v1.36.3"
    with pytest.raises(HostError, match=r"prepared for 1\.37\.2, the cluster runs 1\.36\.3"):
        mint(api, spec)


def test_a_server_older_than_the_cluster_is_admitted(api, spec, site):
    api.objects["/version"]["gitVersion"] = "v1.38.0"
    assert mint(api, spec)


def test_a_server_with_virtual_addresses_only_is_refused(api, spec, site):
    with pytest.raises(HostError, match="none of its own"):
        mint(api, spec, addresses=("10.0.0.100",))


def test_a_box_opens_once(api, spec, site, tmp_path):
    box = mint(api, spec, public=admission.request("dc1-prod", tmp_path))["box"]
    admission.open_box(box, "w-1", tmp_path)
    with pytest.raises(HostError, match="asked for no admission, or used it"):
        admission.open_box(box, "w-1", tmp_path)


def test_the_key_is_destroyed_also_where_the_box_does_not_open(tmp_path):
    admission.request("dc1-prod", tmp_path)
    with pytest.raises(sealing.SealError):
        admission.open_box("rubbish", "w-1", tmp_path)
    assert not (tmp_path / "admission.key").exists()


def test_an_earlier_key_is_gone_when_a_new_one_is_made(api, spec, site, tmp_path):
    box = mint(api, spec, public=admission.request("dc1-prod", tmp_path))["box"]
    admission.request("dc1-prod", tmp_path)
    with pytest.raises(sealing.SealError, match="another key"):
        admission.open_box(box, "w-1", tmp_path)


def test_a_box_of_another_server_does_not_open(api, spec, site, tmp_path):
    box = mint(api, spec, public=admission.request("dc1-prod", tmp_path))["box"]
    with pytest.raises(sealing.SealError, match="admits w-1, this is w-2"):
        admission.open_box(box, "w-2", tmp_path)


def test_the_key_is_for_root_only(tmp_path):
    admission.request("dc1-prod", tmp_path / "run")
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "run/admission.key").stat().st_mode & 0o777 == 0o600
