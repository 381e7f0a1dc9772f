"""The SLS of a server, compiled by Salt itself: what a bare server gets, and what a node does."""

from pathlib import Path

import pytest
import salt.client
import salt.config

from k8s_lifecycle import fencing
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.server import kubernetes_files, observation, packages, processes

CHECKOUT = Path(__file__).parents[3]
ADDRESSES = {"dc1-cp-1": "10.11.0.11", "dc1-cp-2": "10.11.0.12", "dc1-cp-3": "10.11.0.13"}
SPEC = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.37.2"},
    "control_plane": {
        "servers": list(ADDRESSES),
        "endpoint": {
            "host": "api.example",
            "address": "10.11.0.100",
            "virtual_router_id": 51,
            "interface": "eth0",
        },
    },
    "pools": {"general": {"servers": ["dc1-w-*"], "kubelet": {"maxPods": 50}}},
    "network_addon": {"kind": "none"},
    "packages": {
        "repository": {"url": "http://mirror.example/apt", "suite": "bookworm", "key": "salt://site/apt.asc"},
        "containerd": {"version": "2.3.7-1"},
    },
    "images": {"mirrors": {"mirror.example:5000": ["http://mirror.example:5000"]}},
    "time_servers": ["ntp.example"],
}
# States that reach into a running node: no highstate may have one of these for it.
INTRUSIVE = {
    "pkg.installed",
    "k8s_server.dpkg_finished",
    "k8s_server.packages_held",
    "service.enabled",
}


@pytest.fixture(scope="module")
def minion(tmp_path_factory):
    root = tmp_path_factory.mktemp("minion")
    opts = salt.config.minion_config(None)
    opts.update(
        {
            "id": "dc1-cp-1",
            "file_client": "local",
            "file_roots": {"base": [str(CHECKOUT / "states")]},
            "pillar_roots": {"base": []},
            "module_dirs": [str(CHECKOUT)],
            "root_dir": str(root),
            "cachedir": str(root / "cache"),
            "pki_dir": str(root / "pki"),
            "sock_dir": str(root / "sock"),
            "log_file": str(root / "log"),
            "enable_fqdns_grains": False,
        }
    )
    return salt.client.Caller(mopts=opts)


@pytest.fixture(autouse=True)
def server(monkeypatch):
    """A bare server that is no container."""
    monkeypatch.setattr(observation, "in_container", lambda: False)
    monkeypatch.setattr(packages, "installed", lambda _: {})
    monkeypatch.setattr(processes, "kubeadm", lambda: None)
    monkeypatch.setattr(kubernetes_files, "look", lambda: kubernetes_files_of(bare=True))


def kubernetes_files_of(*, bare):
    return dict.fromkeys(kubernetes_files._OF_A_NODE, False if bare else "there")


@pytest.fixture
def compiled(minion):
    """A function that returns the compiled states of an SLS by their id."""

    def compile_(sls="k8s.server", role="worker", pool="general", **pillar):
        spec, problems = specs.parse("dc1-prod", SPEC)
        assert not problems
        assignment = {"cluster": "dc1-prod", "role": role, "pool": pool, "spec": spec.to_dict(), **pillar}
        low = minion.cmd("state.show_low_sls", sls, pillar={"k8s": assignment})
        assert all(isinstance(state, dict) for state in low), low
        return {state["__id__"]: state for state in low}

    return compile_


def functions(states):
    return {f"{state['state']}.{state['fun']}" for state in states.values()}


def position(states, name):
    return list(states).index(name)


def test_a_bare_worker(compiled):
    states = compiled()
    assert states["k8s-packages"]["pkgs"][:2] == [{"containerd.io": "2.3.7-1"}, {"kubeadm": "1.37.2-1.1"}]
    assert states["k8s-packages"]["refresh"] is True
    assert position(states, "k8s-containerd-config") < position(states, "k8s-packages")
    assert position(states, "k8s-packages") < position(states, "k8s-clock")
    assert not {"k8s-haproxy", "k8s-keepalived", "k8s-python-client", "k8s-drift"} & set(states)
    assert "k8s-endpoint-absent" in states


def test_a_bare_control_plane_of_the_runner_has_the_endpoint(compiled):
    states = compiled(role="control-plane", pool=None, addresses=ADDRESSES)
    assert {"k8s-haproxy", "k8s-keepalived", "k8s-python-client"} <= set(states)
    assert "k8s-endpoint-absent" not in states
    assert position(states, "k8s-packages") < position(states, "k8s-haproxy-config")


def test_a_highstate_leaves_the_endpoint_to_the_runner(compiled):
    assert "k8s-haproxy" not in compiled(role="control-plane", pool=None)


def test_a_control_plane_whose_endpoint_is_external_by_now_ends_its_own(compiled, monkeypatch):
    external = {"kind": "external", "host": "api.example"}
    monkeypatch.setitem(SPEC["control_plane"], "endpoint", external)
    assert "k8s-endpoint-absent" in compiled(role="control-plane", pool=None, addresses=ADDRESSES)


def test_an_init_that_is_made_anew_is_converged_like_a_bare_server(compiled, monkeypatch):
    monkeypatch.setattr(kubernetes_files, "look", lambda: kubernetes_files_of(bare=False))
    states = compiled(role="control-plane", pool=None, addresses=ADDRESSES, anew=True)
    assert {"k8s-packages", "k8s-containerd", "k8s-haproxy", "k8s-keepalived"} <= set(states)
    assert "k8s-drift" not in states
    assert [state["anew"] for state in states.values() if state["fun"] == "bare"] == [True, True]


@pytest.mark.parametrize(("role", "pool"), [("control-plane", None), ("worker", "general")])
def test_a_node_keeps_its_packages_services_and_endpoint(compiled, monkeypatch, role, pool):
    monkeypatch.setattr(kubernetes_files, "look", lambda: kubernetes_files_of(bare=False))
    states = compiled(role=role, pool=pool, addresses=ADDRESSES)
    assert "k8s-drift" in states
    assert not functions(states) & INTRUSIVE
    assert "k8s-endpoint-absent" not in states
    services = {state["name"] for state in states.values() if state["fun"] == "service"}
    assert services == {"chrony"}


def test_a_control_plane_gets_its_kubernetes_client_back(compiled, monkeypatch):
    monkeypatch.setattr(kubernetes_files, "look", lambda: kubernetes_files_of(bare=False))
    assert "k8s-python-client" in compiled(role="control-plane", pool=None)


def test_a_run_that_was_superseded_applies_nothing(compiled, minion, tmp_path, monkeypatch):
    monkeypatch.setattr(fencing, "DIRECTORY", tmp_path)
    monkeypatch.setattr(fencing.admit, "__defaults__", (tmp_path,))
    assert "k8s-packages" in compiled(fence=7)
    for sls in ("k8s.server", "k8s.endpoint"):
        said = minion.cmd("state.show_low_sls", sls, pillar={"k8s": {"fence": 6, "role": "worker"}})
        assert "a later run has the fencing number 7" in str(said)


def test_the_pools_kubelet_patch(compiled):
    (patch,) = (state for name, state in compiled().items() if name.startswith("k8s-patch-"))
    assert patch["name"].startswith("/etc/kubernetes/patches/kubeletconfiguration")
    assert patch["contents"] == "maxPods: 50\n"


def test_the_runner_can_apply_the_endpoint_of_a_member_alone(compiled, monkeypatch):
    monkeypatch.setattr(kubernetes_files, "look", lambda: kubernetes_files_of(bare=False))
    states = compiled("k8s.endpoint", role="control-plane", pool=None, addresses=ADDRESSES)
    assert list(states) == [
        "k8s-haproxy-config",
        "k8s-haproxy",
        "k8s-endpoint-listens",
        "k8s-keepalived-config",
        "k8s-keepalived",
    ]


def test_a_spec_with_mistakes_is_told_and_nothing_is_done(minion):
    (state,) = minion.cmd(
        "state.show_low_sls", "k8s.server", pillar={"k8s": {"problems": ["a: b — c", "d: e — f"]}}
    )
    assert (state["result"], state["comment"]) == (False, "a: b — c\nd: e — f")


class TestEndpointFiles:
    @pytest.fixture
    def rendered(self, minion, compiled, tmp_path):
        """A function that returns a file as it would be on a server."""

        def render(state, addresses=ADDRESSES):
            states = compiled("k8s.endpoint", role="control-plane", pool=None, addresses=addresses)
            context, source = states[state]["context"], states[state]["source"]
            target = tmp_path / state
            minion.cmd("cp.get_file", source, str(target))
            return minion.cmd("slsutil.renderer", str(target), default_renderer="jinja", **context)

        return render

    def test_haproxy_knows_every_api_server(self, rendered):
        text = rendered("k8s-haproxy-config")
        assert "bind *:8443" in text
        for name, address in ADDRESSES.items():
            assert f"server {name} {address}:6443\n" in text
        assert "check check-ssl verify none inter 3s fastinter 500ms downinter 1s fall 2 rise 1" in text

    def test_keepalived_talks_to_the_others_only(self, rendered):
        text = rendered("k8s-keepalived-config")
        peers = text.partition("unicast_peer {")[2].partition("}")[0].split()
        assert peers == ["10.11.0.12", "10.11.0.13"]
        assert "unicast_src_ip 10.11.0.11" in text
        assert "10.11.0.100 dev eth0" in text
        assert "interval 2\n" in text

    def test_both_show_for_which_endpoint_they_are(self, rendered):
        mark = (
            "# Managed by Salt (k8s.endpoint): "
            "cluster dc1-prod, 10.11.0.100 on eth0, port 8443, virtual router 51"
        )
        assert rendered("k8s-haproxy-config").startswith(mark)
        assert rendered("k8s-keepalived-config").startswith(mark)


def test_time_servers_of_the_spec_alone(minion, compiled, tmp_path):
    states = compiled("k8s.clock")
    assert states["k8s-clock-config"]["context"] == {"time_servers": ["ntp.example"]}
    assert list(states) == ["k8s-clock-config", "k8s-clock"]
