"""kubeadm's documents: what is generated, what a site may change, what counts as drift."""

import copy

import pytest

from k8s_lifecycle.model import kubeadm_config
from k8s_lifecycle.model.spec import parse

TOKEN = "abcdef.0123456789abcdef"  # noqa: S105

# What kubeadm 1.37 stores for the sound spec in ConfigMap kubeadm-config, its defaults filled in.
IN_CLUSTER = {
    "apiServer": {
        "certSANs": ["api.dc1-prod.example", "10.11.0.100"],
        "extraArgs": [{"name": "kubelet-certificate-authority", "value": "/etc/kubernetes/pki/ca.crt"}],
    },
    "apiVersion": "kubeadm.k8s.io/v1beta4",
    "caCertificateValidityPeriod": "87600h0m0s",
    "certificateValidityPeriod": "8760h0m0s",
    "certificatesDir": "/etc/kubernetes/pki",
    "clusterName": "dc1-prod",
    "controlPlaneEndpoint": "api.dc1-prod.example:8443",
    "controllerManager": {"extraArgs": [{"name": "node-cidr-mask-size", "value": "24"}]},
    "dns": {},
    "encryptionAlgorithm": "RSA-2048",
    "etcd": {"local": {"dataDir": "/var/lib/etcd"}},
    "imageRepository": "whatever.example/default",
    "kind": "ClusterConfiguration",
    "kubernetesVersion": "v1.37.2",
    "networking": {
        "dnsDomain": "cluster.local",
        "podSubnet": "10.244.0.0/16",
        "serviceSubnet": "10.96.0.0/12",
    },
    "proxy": {},
    "scheduler": {},
}


@pytest.fixture
def spec(change):
    def changed(**values):
        spec, problems = parse("dc1-prod", change(**values))
        assert problems == []
        return spec

    return changed


def arguments(component):
    return [(argument["name"], argument["value"]) for argument in component["extraArgs"]]


def join(spec, role="worker", server="DC1-W-1"):
    (document,) = kubeadm_config.join_documents(
        spec,
        server=server,
        role=role,
        address="10.11.0.21",
        discovery_file="/run/discovery.conf",
        token=TOKEN,
    )
    return document


def test_cluster_configuration(spec):
    document = kubeadm_config.cluster_configuration(spec())
    assert document["kubernetesVersion"] == "v1.37.2"
    assert document["controlPlaneEndpoint"] == "api.dc1-prod.example:8443"
    assert document["apiServer"]["certSANs"] == ["api.dc1-prod.example", "10.11.0.100"]
    assert arguments(document["apiServer"]) == [
        ("kubelet-certificate-authority", "/etc/kubernetes/pki/ca.crt")
    ]
    assert "imageRepository" not in document


def test_a_site_adds_to_the_cluster_configuration_and_nothing_is_lost(spec):
    cluster = {
        "apiServer": {"certSANs": ["api.example"], "extraArgs": [{"name": "v", "value": "4"}]},
        "scheduler": {"extraArgs": [{"name": "v", "value": "2"}]},
    }
    document = kubeadm_config.cluster_configuration(spec(**{"kubeadm.cluster": cluster}))
    assert document["apiServer"]["certSANs"] == ["api.dc1-prod.example", "10.11.0.100", "api.example"]
    assert [name for name, _ in arguments(document["apiServer"])] == ["kubelet-certificate-authority", "v"]
    assert arguments(document["scheduler"]) == [("v", "2")]


def test_init_pins_the_address_and_makes_no_token_of_its_own(spec):
    init, *others = kubeadm_config.init_documents(
        spec(), server="dc1-cp-1", address="10.11.0.11", token=TOKEN
    )
    assert [document["kind"] for document in others] == [
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
    ]
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.11.0.11", "bindPort": 6443}
    (token,) = init["bootstrapTokens"]
    assert (token["token"], token["ttl"]) == (TOKEN, "15m0s")
    assert token["groups"] == ["system:bootstrappers:k8s-lifecycle:nobody"]
    assert init["skipPhases"] == ["show-join-command"]
    assert "certificateKey" not in init


def test_join_of_a_worker(spec):
    document = join(spec())
    registration = document["nodeRegistration"]
    assert registration["name"] == "dc1-w-1"
    assert registration["taints"] == [{"key": "k8s-lifecycle.io/startup", "effect": "NoSchedule"}]
    assert registration["kubeletExtraArgs"] == [{"name": "node-ip", "value": "10.11.0.21"}]
    assert document["discovery"]["file"] == {"kubeConfigPath": "/run/discovery.conf"}
    assert "controlPlane" not in document


@pytest.mark.parametrize(("schedulable", "taints"), [(False, 2), (True, 1)])
def test_join_of_a_control_plane(spec, schedulable, taints):
    document = join(
        spec(**{"control_plane.schedulable": schedulable}), role="control-plane", server="dc1-cp-2"
    )
    assert document["controlPlane"]["localAPIEndpoint"]["advertiseAddress"] == "10.11.0.21"
    assert len(document["nodeRegistration"]["taints"]) == taints


def test_a_site_changes_joins(spec):
    join_fields = {"timeouts": {"discovery": "5m0s"}, "nodeRegistration": {"imagePullPolicy": "Never"}}
    document = join(spec(**{"kubeadm.join": join_fields, "kubeadm.ignore_preflight_errors": ["Swap"]}))
    assert document["timeouts"] == {"discovery": "5m0s", "tlsBootstrap": "2m0s"}
    assert document["nodeRegistration"]["imagePullPolicy"] == "Never"
    assert document["nodeRegistration"]["ignorePreflightErrors"] == ["Swap"]


def test_kubelets_have_certificates_of_the_cluster(spec):
    document = kubeadm_config.kubelet_configuration(spec(kubelet={"maxPods": 50}))
    assert (document["serverTLSBootstrap"], document["rotateCertificates"], document["maxPods"]) == (
        True,
        True,
        50,
    )


def test_a_pool_patches_its_kubelets(spec):
    changed = spec(**{"pools.db.kubelet": {"maxPods": 50}})
    assert kubeadm_config.patches(changed, "db") == {"kubeletconfiguration0+strategic.yaml": {"maxPods": 50}}
    assert kubeadm_config.patches(changed, "general") == kubeadm_config.patches(changed, None) == {}


def drifted(spec, **found):
    return [str(problem) for problem in kubeadm_config.drift(spec, copy.deepcopy(IN_CLUSTER) | found)]


def test_no_drift_from_what_kubeadm_stores(spec):
    assert drifted(spec()) == []


def test_a_cluster_with_kubeadms_defaults_differs_in_what_is_documented(spec):
    made = {**IN_CLUSTER, "apiServer": {}, "controllerManager": {}}
    del made["controlPlaneEndpoint"]
    problems = kubeadm_config.drift(spec(), made, {"rotateCertificates": True})
    assert [problem.path for problem in problems] == [
        f"dc1-prod.yaml: {path}"
        for path in (
            "kubeadm.cluster.apiServer.certSANs",
            "kubeadm.cluster.apiServer.extraArgs.kubelet-certificate-authority",
            "control_plane.endpoint",
            "networks.node_prefix",
            "kubelet.serverTLSBootstrap",
        )
    ], "docs/existing-clusters.md lists them"


def test_the_version_is_no_drift(spec):
    assert drifted(spec(), kubernetesVersion="v1.36.3") == []


def test_the_form_of_a_value_is_no_drift(spec):
    cluster = {
        "certificateValidityPeriod": "8760h",
        "scheduler": {"extraArgs": []},
        "dns": {"disabled": False},
    }
    san = {"apiServer": {**IN_CLUSTER["apiServer"], "certSANs": ["10.11.0.100", "api.dc1-prod.example"]}}
    assert drifted(spec(**{"kubeadm.cluster": cluster}), **san) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"control_plane.endpoint.port": 9443},
            "dc1-prod.yaml: control_plane.endpoint: 'api.dc1-prod.example:9443' in the spec, "
            "'api.dc1-prod.example:8443' in the cluster — "
            "write what the cluster has: no operation can change it yet",
        ),
        (
            {"networks.pods": "10.200.0.0/16"},
            "dc1-prod.yaml: networks.pods: '10.200.0.0/16' in the spec, '10.244.0.0/16' in the cluster — "
            "write what the cluster has: no operation can change it yet",
        ),
        (
            {"kubeadm.cluster": {"apiServer": {"extraArgs": [{"name": "v", "value": "4"}]}}},
            "dc1-prod.yaml: kubeadm.cluster.apiServer.extraArgs.v: '4' in the spec, not set in the cluster — "
            "remove it: no operation can change it yet",
        ),
        (
            {"kubeadm.cluster": {"certificateValidityPeriod": "720h"}},
            "dc1-prod.yaml: kubeadm.cluster.certificateValidityPeriod: '720h' in the spec, "
            "'8760h0m0s' in the cluster — "
            "write what the cluster has: no operation can change it yet",
        ),
        (
            {"images.repository": "registry.example/kubernetes"},
            "dc1-prod.yaml: images.repository: 'registry.example/kubernetes' in the spec, "
            "'whatever.example/default' in the cluster — "
            "write what the cluster has: no operation can change it yet",
        ),
    ],
)
def test_drift(spec, values, message):
    assert drifted(spec(**values)) == [message]


def test_what_the_spec_no_longer_says_is_drift(spec):
    assert drifted(
        spec(), featureGates={"X": True}, scheduler={"extraArgs": [{"name": "v", "value": "2"}]}
    ) == [
        "dc1-prod.yaml: kubeadm.cluster.featureGates.X: not set in the spec, True in the cluster — "
        "write what the cluster has: no operation can change it yet",
        "dc1-prod.yaml: kubeadm.cluster.scheduler.extraArgs.v: not set in the spec, '2' in the cluster — "
        "write what the cluster has: no operation can change it yet",
    ]


def test_an_argument_that_is_there_twice(spec):
    issuers = [{"name": "service-account-issuer", "value": value} for value in ("https://a", "https://b")]
    ours = IN_CLUSTER["apiServer"]["extraArgs"]
    changed = spec(**{"kubeadm.cluster": {"apiServer": {"extraArgs": issuers}}})
    assert drifted(changed, apiServer={**IN_CLUSTER["apiServer"], "extraArgs": [*ours, *issuers]}) == []
    assert (
        len(drifted(changed, apiServer={**IN_CLUSTER["apiServer"], "extraArgs": [*ours, *issuers[::-1]]}))
        == 1
    )


def test_drift_of_kubelets(spec):
    stored = {"serverTLSBootstrap": True, "rotateCertificates": True, "maxPods": 110, "syncFrequency": "1m0s"}
    changed = spec(kubelet={"maxPods": 50, "syncFrequency": "60s"})
    (problem,) = kubeadm_config.drift(changed, IN_CLUSTER, stored)
    assert problem.path == "dc1-prod.yaml: kubelet.maxPods"


def test_the_discovery_file_names_the_endpoint_and_has_no_credentials(spec):
    document = kubeadm_config.discovery_kubeconfig(spec(), "PEM")
    (cluster,) = document["clusters"]
    assert cluster["cluster"]["server"] == "https://api.dc1-prod.example:8443"
    assert "users" not in document
