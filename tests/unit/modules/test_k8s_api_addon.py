"""The network addon: its mark, its content, a site's own manifest; and what a smoke check says."""

import jinja2
import pytest
from test_k8s_admission_box import PILLAR

from k8s_lifecycle.cluster import network_addon, smoke
from k8s_lifecycle.model import addon
from k8s_lifecycle.model import spec as specs

FLANNEL = {"image": "mirror:5000/flannel:v1", "cni_plugin_image": "mirror:5000/cni:v1"}


def spec(kind, **addon_):
    found, problems = specs.parse("dc1-prod", {**PILLAR, "network_addon": {"kind": kind, **addon_}})
    assert not problems
    return found


@pytest.fixture
def flannel():
    return spec("flannel", values=FLANNEL)


def workload(manifests):
    return next(manifest for manifest in manifests if manifest["kind"] == "DaemonSet")


def test_every_object_is_marked(flannel):
    content = addon.content_hash(flannel)
    for manifest in addon.manifests(flannel):
        assert manifest["metadata"]["annotations"][addon.CONTENT] == content
        assert manifest["metadata"]["labels"][addon.LABEL] == "network"


def test_what_is_installed_is_told_by_its_workloads(flannel):
    assert addon.installed([workload(addon.manifests(flannel))]) == addon.content_hash(flannel)
    assert addon.installed([]) is None
    assert addon.installed([workload(addon.manifests(flannel)), {"metadata": {}}]) is None


def test_another_value_is_another_content(flannel):
    other = spec("flannel", values={**FLANNEL, "image": "mirror:5000/flannel:v2"})
    assert addon.content_hash(other) != addon.content_hash(flannel)


def test_flannel_runs_everywhere_on_the_interface_of_the_node(flannel):
    pod = workload(addon.manifests(flannel))["spec"]["template"]["spec"]
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert "--iface=$(NODE_ADDRESS)" in pod["containers"][0]["args"]


def test_flannel_asks_the_api_at_the_endpoint(flannel):
    container = workload(addon.manifests(flannel))["spec"]["template"]["spec"]["containers"][0]
    found = {variable["name"]: variable.get("value") for variable in container["env"]}
    endpoint = flannel.control_plane.endpoint
    assert found["KUBERNETES_SERVICE_HOST"] == endpoint.host
    assert found["KUBERNETES_SERVICE_PORT"] == str(endpoint.port)


def test_a_node_gets_its_cni_configuration_from_a_flannel_that_has_its_subnet(flannel):
    pod = workload(addon.manifests(flannel))["spec"]["template"]["spec"]
    script = pod["containers"][0]["command"][2]
    assert (
        0 < script.index("until [ -s /run/flannel/subnet.env ]") < script.index("/etc/cni/net.d/10-flannel")
    )
    assert [container["name"] for container in pod["initContainers"]] == ["install-cni-plugin"]


def test_a_site_may_name_the_interface():
    named = spec("flannel", values={**FLANNEL, "interface": "bond0"})
    pod = workload(addon.manifests(named))["spec"]["template"]["spec"]
    assert "--iface=bond0" in pod["containers"][0]["args"]


TEMPLATE = (
    "---\nkind: Deployment\nmetadata: {name: {{ name }}}\n---\n---\nkind: ConfigMap\nmetadata: {name: x}\n"
)


def test_a_sites_own_file_is_rendered_with_its_values():
    site = spec("manifest", source="salt://net.yaml", values={"name": "calico"})
    found = addon.manifests(site, TEMPLATE)
    assert [(manifest["kind"], manifest["metadata"]["name"]) for manifest in found] == [
        ("Deployment", "calico"),
        ("ConfigMap", "x"),
    ]


def test_a_value_that_is_missing_is_no_empty_text():
    with pytest.raises(jinja2.UndefinedError, match="name"):
        addon.manifests(spec("manifest", source="salt://net.yaml"), TEMPLATE)


def test_a_file_without_a_workload_is_refused():
    site = spec("manifest", source="salt://net.yaml")
    with pytest.raises(ValueError, match=r"net\.yaml has none of DaemonSet, Deployment"):
        addon.manifests(site, "kind: ConfigMap\nmetadata: {name: x}\n")


def test_one_network_is_not_changed_for_another():
    site = spec("manifest", source="salt://net.yaml")
    assert addon.drift(site, addon.content_hash(site)) == addon.drift(site, None) == []
    (problem,) = addon.drift(site, "flannel:0123")
    assert "network_addon.kind: 'manifest' in the spec, 'flannel' in the cluster" in problem


class AddonApi:
    """The part of the API that has an addon's workloads."""

    def __init__(self, *daemonsets):
        self.daemonsets = [daemonset(name) for name in daemonsets]
        self.deleted = []

    def get(self, path, **_):
        return {"items": self.daemonsets if path.endswith("daemonsets") else []}

    def delete(self, path):
        self.deleted.append(path)


def daemonset(name):
    return {"kind": "DaemonSet", "metadata": {"namespace": "kube-system", "name": name}}


def test_a_workload_that_a_new_version_has_no_more_is_removed(monkeypatch):
    api = AddonApi("agent", "old-agent")
    monkeypatch.setattr(network_addon.objects, "apply", lambda *_: [])
    assert network_addon.apply(api, [daemonset("agent")]) == ["DaemonSet old-agent, removed"]
    assert api.deleted == ["/apis/apps/v1/namespaces/kube-system/daemonsets/old-agent"]


def test_a_site_that_installs_its_own_has_nothing_to_compare():
    assert addon.content_hash(spec("none")) is None


def pod(phase, **state):
    return {"spec": {}, "status": {"phase": phase, "containerStatuses": [{"state": state}] if state else []}}


REACHED = {"PEER": "10.244.1.2:8080", "PEER_NODE": "w-2"}


@pytest.mark.parametrize(
    ("found", "target", "ok", "said"),
    [
        (pod("Succeeded"), REACHED, True, "reached a pod on w-2"),
        (pod("Succeeded"), {"PEER": "", "PEER_NODE": ""}, True, "there is no other node to reach"),
        (
            pod("Failed", terminated={"message": "resolving x: timed out\n"}),
            REACHED,
            False,
            "resolving x: timed out",
        ),
        (pod("Failed", terminated={"reason": "OOMKilled"}), REACHED, False, "it ended as OOMKilled"),
        (
            pod("Pending", waiting={"reason": "ImagePullBackOff", "message": "not found"}),
            REACHED,
            False,
            "its pod waits: ImagePullBackOff: not found",
        ),
        (pod("Pending"), REACHED, False, "its kubelet has not started the pod"),
    ],
)
def test_a_verdict_says_which_part_failed(found, target, ok, said):
    verdict = smoke._verdict(found, target)
    assert verdict["ok"] is ok
    assert said in verdict["detail"]


def test_a_node_is_never_asked_to_reach_itself():
    peers = [
        {"spec": {"nodeName": node}, "status": {"podIP": address}}
        for node, address in (("w-1", "10.244.1.2"), ("w-2", "fd00::2"))
    ]
    assert smoke._target(peers, "w-1") == {"PEER": "[fd00::2]:8080", "PEER_NODE": "w-2"}
    assert smoke._target(peers, "w-3") == {"PEER": "10.244.1.2:8080", "PEER_NODE": "w-1"}
    assert smoke._target([], "w-1") == {"PEER": "", "PEER_NODE": ""}
