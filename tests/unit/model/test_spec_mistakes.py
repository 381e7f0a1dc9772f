"""Every mistake gives exactly one message: where it is, what is wrong, what to write instead."""

import datetime

import pytest

from k8s_lifecycle.model.spec import parse

MISTAKES = [
    (
        {"control_plane.endpoint": None},
        "control_plane.endpoint",
        "missing",
        "write keys and values below it",
    ),
    (
        {"netwroks": {}},
        "netwroks",
        "unknown key",
        "did you mean 'networks'?",
    ),
    (
        {"networks.pod": "10.9.0.0/16"},
        "networks.pod",
        "unknown key",
        "did you mean 'pods'?",
    ),
    (
        {"limits.zzz": 1},
        "limits.zzz",
        "unknown key",
        "known here: concurrency, max_failures",
    ),
    (
        {"pools.general.max_unavailble": 2},
        "pools.general.max_unavailble",
        "unknown key",
        "did you mean 'max_unavailable'?",
    ),
    (
        {"datacentre": "dc1", "datacenter": None},
        "datacentre",
        "unknown key",
        "did you mean 'datacenter'?",
    ),
    (
        {"datacenter": None},
        "datacenter",
        "missing",
        "write a short name such as dc1 (lower case letters, digits and '-')",
    ),
    (
        {"control_plane": None},
        "control_plane",
        "missing",
        "write a mapping with servers and endpoint",
    ),
    (
        {"networks": "10.9.0.0/16"},
        "networks",
        "'10.9.0.0/16' is not a mapping",
        "write keys and values below it",
    ),
    (
        {"control_plane.servers": "dc1-cp-1"},
        "control_plane.servers",
        "'dc1-cp-1' is not a list",
        "write a list of minion ids, in [brackets]",
    ),
    (
        {"control_plane.servers": []},
        "control_plane.servers",
        "the list is empty",
        "write a list of minion ids, at least 1",
    ),
    (
        {"control_plane.schedulable": "nope"},
        "control_plane.schedulable",
        "'nope' is neither true nor false",
        "write true or false",
    ),
    (
        {"environment": True},
        "environment",
        "true is a truth value, not text; YAML needs quotes around it",
        "write a short name such as dc1 (lower case letters, digits and '-')",
    ),
    (
        {"environment": "Prod_1"},
        "environment",
        "'Prod_1' is not a short name",
        "write a short name such as dc1 (lower case letters, digits and '-')",
    ),
    (
        {"kubelet": {"evictionHard": {1: "a"}}},
        "kubelet",
        "a mapping has the key 1, which is a number; YAML needs quotes around it",
        "write the fields as the tool's own reference has them",
    ),
    (
        {"kubelet": {"x": datetime.date(2020, 1, 1)}},
        "kubelet",
        "a mapping has a date at x; YAML needs quotes around it",
        "write the fields as the tool's own reference has them",
    ),
    (
        {"pools": ["a"]},
        "pools",
        "a list is not a mapping",
        "write a mapping of pool names to pools",
    ),
    (
        {"pools.Big": {}},
        "pools.Big",
        "'Big' is not a pool name",
        "write a pool name such as general (lower case letters, digits and '-')",
    ),
    (
        {"name": "other"},
        "name",
        "'other' is not the name of the file",
        "write dc1-prod, or leave it out",
    ),
    (
        {"kubernetes.version": 1.37},
        "kubernetes.version",
        "1.37 is a number: a version has three parts",
        "write three numbers such as 1.37.2",
    ),
    (
        {"kubernetes.version": "1.37"},
        "kubernetes.version",
        "'1.37' is not a version",
        "write three numbers such as 1.37.2",
    ),
    (
        {"kubernetes.version": "1.33.4"},
        "kubernetes.version",
        "1.33.4 is not supported",
        "write a version from 1.34.0 on",
    ),
    (
        {"packages.containerd.version": "1.7.24-1"},
        "packages.containerd.version",
        "1.7.24-1 is too old: Kubernetes from 1.36 on needs containerd 2",
        "write a version from 2.0 on",
    ),
    (
        {"packages.containerd.version": "latest"},
        "packages.containerd.version",
        "'latest' is not a Debian version",
        'write a Debian version such as "2.3.7-1"',
    ),
    (
        {"packages.revision": 1.1},
        "packages.revision",
        "1.1 is a number, not text; YAML needs quotes around it",
        'write a Debian revision such as "1.1" (in quotes)',
    ),
    (
        {"control_plane.servers": ["dc1-cp-1", "dc1-cp-2"]},
        "control_plane.servers",
        "2 servers tolerate no more failures than 1: etcd needs a majority",
        "name 1 or 3 servers",
    ),
    (
        {"control_plane.servers": ["dc1-cp-1", "dc1-cp-2", "dc1-cp-1"]},
        "control_plane.servers[2]",
        "'dc1-cp-1' is the same server as 'dc1-cp-1' in control_plane.servers[0]",
        "list a server once: it has one place in one cluster",
    ),
    (
        {"control_plane.servers": ["dc1-cp-1", "DC1-cp-1", "dc1-cp-3"]},
        "control_plane.servers[1]",
        "'DC1-cp-1' is the same server as 'dc1-cp-1' in control_plane.servers[0]",
        "list a server once: it has one place in one cluster",
    ),
    (
        {"control_plane.servers": ["dc1_cp_1"]},
        "control_plane.servers[0]",
        "'dc1_cp_1' is not a minion id",
        "write a minion id such as dc1-cp-1 (letters, digits, '-' and '.': it becomes the node's name)",
    ),
    (
        {"control_plane.servers": ["dc1-cp-*"]},
        "control_plane.servers[0]",
        "'dc1-cp-*' is not a minion id",
        "write a minion id such as dc1-cp-1 (letters, digits, '-' and '.': it becomes the node's name)",
    ),
    (
        {"pools.db.servers": ["dc1-cp-2"]},
        "pools.db.servers[0]",
        "'dc1-cp-2' is the same server as 'dc1-cp-2' in control_plane.servers[1]",
        "list a server once: it has one place in one cluster",
    ),
    (
        {"pools.db.servers": ["dc1-*"]},
        "pools.db.servers[0]",
        "'dc1-*' can name the same servers as 'dc1-cp-1' in control_plane.servers[0] and 4 more",
        "write narrower globs",
    ),
    (
        {"pools.db.servers": ["dc1-w-7"]},
        "pools.general.servers[0]",
        "'dc1-w-*' can name the same servers as 'dc1-w-7' in pools.db.servers[0]",
        "write narrower globs",
    ),
    (
        {"pools.db.servers": ["dc?-w-1*"]},
        "pools.db.servers[0]",
        "'dc?-w-1*' can name the same servers as 'dc1-w-*' in pools.general.servers[0]",
        "write narrower globs",
    ),
    (
        {"spares": ["dc1-db-1"]},
        "spares[0]",
        "'dc1-db-1' is the same server as 'dc1-db-1' in pools.db.servers[0]",
        "list a server once: it has one place in one cluster",
    ),
    (
        {"spares": ["dc1 spare"]},
        "spares[0]",
        "'dc1 spare' is not a minion glob",
        "write a minion glob such as dc1-w-1 or \"dc1-w-*\" (letters, digits, '-', '.', '*' and '?')",
    ),
    (
        {"control_plane.endpoint.kind": "managd"},
        "control_plane.endpoint.kind",
        "'managd' is not one of the choices",
        "write managed or external",
    ),
    (
        {"control_plane.endpoint.address": None},
        "control_plane.endpoint.address",
        "missing",
        "write a free address in the network of the control plane servers",
    ),
    (
        {"control_plane.endpoint.virtual_router_id": None},
        "control_plane.endpoint.virtual_router_id",
        "missing",
        "write a number from 1 to 255 that the datacenter has not used",
    ),
    (
        {"control_plane.endpoint.virtual_router_id": 256},
        "control_plane.endpoint.virtual_router_id",
        "256 is out of range",
        "write a number from 1 to 255",
    ),
    (
        {"control_plane.endpoint.port": 6443},
        "control_plane.endpoint.port",
        "6443 is the port of kube-apiserver on the same servers",
        "write another, such as 8443",
    ),
    (
        {"control_plane.endpoint.port": 30443},
        "control_plane.endpoint.port",
        "30443 is in the range of NodePort services",
        "write another, such as 8443",
    ),
    (
        {"control_plane.endpoint.port": "8443"},
        "control_plane.endpoint.port",
        "'8443' is not a whole number",
        "write a number from 1 to 65535",
    ),
    (
        {"control_plane.endpoint.host": "https://api"},
        "control_plane.endpoint.host",
        "'https://api' is not a host name",
        "write a host name such as api.dc1-prod.example",
    ),
    (
        {"control_plane.endpoint.address": "10.11.0.300"},
        "control_plane.endpoint.address",
        "'10.11.0.300' is not an IPv4 address",
        "write an IPv4 address such as 10.11.0.100",
    ),
    (
        {"control_plane.endpoint": {"kind": "external"}},
        "control_plane.endpoint.host",
        "missing",
        "write the name or address of the external load balancer",
    ),
    (
        {"control_plane.endpoint": {"kind": "external", "host": "a.b", "virtual_router_id": 3}},
        "control_plane.endpoint.virtual_router_id",
        "is of no use to an external endpoint",
        "remove it, or write kind: managed",
    ),
    (
        {"control_plane.endpoint.address": "10.244.3.1"},
        "control_plane.endpoint.address",
        "10.244.3.1 is inside networks.pods 10.244.0.0/16",
        "write an address of the servers' own network",
    ),
    (
        {"control_plane.endpoint.address": "10.96.0.1"},
        "control_plane.endpoint.address",
        "10.96.0.1 is inside networks.services 10.96.0.0/12",
        "write an address of the servers' own network",
    ),
    (
        {"networks.pods": "10.244.0.0/33"},
        "networks.pods",
        "'10.244.0.0/33' is not a network",
        "write a network such as 10.244.0.0/16",
    ),
    (
        {"networks.pods": "10.244.1.0/16"},
        "networks.pods",
        "'10.244.1.0/16' is not the first address of a network; its network is 10.244.0.0/16",
        "write a network such as 10.244.0.0/16",
    ),
    (
        {"networks.pods": "fd00::/56"},
        "networks.pods",
        "'fd00::/56' is an IPv6 network, which is not supported yet",
        "write a network such as 10.244.0.0/16",
    ),
    (
        {"networks.services": "10.244.128.0/20"},
        "networks.services",
        "10.244.128.0/20 overlaps networks.pods 10.244.0.0/16",
        "write networks that are apart",
    ),
    (
        {"networks.services": "10.0.0.0/8"},
        "networks.services",
        "10.0.0.0/8 is too large",
        "write a prefix length from 12 to 28",
    ),
    (
        {"networks.services": "10.96.0.0/30"},
        "networks.services",
        "10.96.0.0/30 is too small",
        "write a prefix length from 12 to 28",
    ),
    (
        {"networks.node_prefix": 16, "networks.pods": "10.244.0.0/17"},
        "networks.node_prefix",
        "16 is larger than networks.pods 10.244.0.0/17",
        "write a number above 17",
    ),
    (
        {"networks.node_prefix": 26},
        "networks.node_prefix",
        "26 gives a node 62 addresses for its 110 pods",
        "write a smaller number, or kubelet.maxPods: 62",
    ),
    (
        {"networks.pods": "10.244.0.0/22"},
        "networks.pods",
        "10.244.0.0/22 has room for 4 nodes (networks.node_prefix), and 5 servers are named",
        "write a larger network, or a larger networks.node_prefix",
    ),
    (
        {"networks.pods": "10.128.0.0/9", "networks.node_prefix": 26, "kubelet": {"maxPods": 50}},
        "networks.node_prefix",
        "26 divides 10.128.0.0/9 into more shares than Kubernetes can count",
        "write at most 25",
    ),
    (
        {"kubelet": {"maxPods": 300}},
        "kubelet.maxPods",
        "300 pods do not fit into the 254 addresses of networks.node_prefix",
        "write at most 254, or a smaller networks.node_prefix",
    ),
    (
        {"pools.db.kubelet": {"maxPods": 300}},
        "pools.db.kubelet.maxPods",
        "300 pods do not fit into the 254 addresses of networks.node_prefix",
        "write at most 254, or a smaller networks.node_prefix",
    ),
    (
        {"networks.dns_domain": "cluster_local"},
        "networks.dns_domain",
        "'cluster_local' is not a DNS name",
        "write a DNS name such as cluster.local",
    ),
    (
        {"network_addon.kind": "calico"},
        "network_addon.kind",
        "'calico' is not one of the choices",
        "write flannel, manifest or none",
    ),
    (
        {"network_addon": {"kind": "manifest"}},
        "network_addon.source",
        "missing",
        "write the salt:// file with the addon's manifest",
    ),
    (
        {"network_addon": {"kind": "manifest", "source": "/srv/cilium.yaml"}},
        "network_addon.source",
        "'/srv/cilium.yaml' is not a salt:// file",
        "write a salt:// file such as salt://k8s/files/cilium.yaml",
    ),
    (
        {"network_addon.source": "salt://x"},
        "network_addon.source",
        "is of no use to kind flannel",
        "remove it, or write kind: manifest",
    ),
    (
        {"network_addon.values.image": None},
        "network_addon.values.image",
        "missing",
        "write an image such as registry.example:5000/library/busybox:1.35",
    ),
    (
        {"network_addon.values.backend": "ipip"},
        "network_addon.values.backend",
        "'ipip' is not one of the choices",
        "write vxlan or host-gw",
    ),
    (
        {"network_addon.kind": "none"},
        "network_addon.values",
        "is of no use to kind none",
        "remove it",
    ),
    (
        {"pools.general.labels": {"node-role.kubernetes.io/control-plane": ""}},
        "pools.general.labels.node-role.kubernetes.io/control-plane",
        "belongs to Kubernetes or to this product",
        "use a label of your own",
    ),
    (
        {"pools.general.labels": {"a b": "c"}},
        "pools.general.labels.a b",
        "'a b' is not a label key",
        "write a label key such as example.com/disk",
    ),
    (
        {"pools.general.labels": {"a": "b c"}},
        "pools.general.labels.a",
        "'b c' is not a label value",
        "write a label value such as ssd (at most 63 letters, digits, '-', '_' and '.')",
    ),
    (
        {"pools.general.labels": {"a": True}},
        "pools.general.labels.a",
        "true is a truth value, not text; YAML needs quotes around it",
        "write a label value such as ssd (at most 63 letters, digits, '-', '_' and '.')",
    ),
    (
        {"pools.db.taints": [{"key": "a", "effect": "NoRun"}]},
        "pools.db.taints[0].effect",
        "'NoRun' is not one of the choices",
        "write NoSchedule, PreferNoSchedule or NoExecute",
    ),
    (
        {
            "pools.db.taints": [
                {"key": "dedicated", "effect": "NoSchedule"},
                {"key": "dedicated", "effect": "NoSchedule"},
            ]
        },
        "pools.db.taints[1]",
        "a second taint 'dedicated' with effect NoSchedule",
        "keep one of them",
    ),
    (
        {"pools.db.taints": [{"key": "k8s-lifecycle.io/startup", "effect": "NoSchedule"}]},
        "pools.db.taints[0].key",
        "'k8s-lifecycle.io/startup' belongs to Kubernetes or to this product",
        "use a key of your own",
    ),
    (
        {"pools.db.taints": [{"effect": "NoSchedule"}]},
        "pools.db.taints[0].key",
        "missing",
        "write a label key such as example.com/disk",
    ),
    (
        {"pools.db.join": "never"},
        "pools.db.join",
        "'never' is not one of the choices",
        "write auto or provision",
    ),
    (
        {"pools.db.max_unavailable": 0},
        "pools.db.max_unavailable",
        "0 is out of range",
        "write a number from 1 to 1000",
    ),
    (
        {"packages.repository": {"url": "mirror.example/apt", "suite": "bookworm", "key": "salt://a.asc"}},
        "packages.repository.url",
        "'mirror.example/apt' is not a URL that starts with http:// or https://",
        "write a URL such as http://mirror.example/apt",
    ),
    (
        {
            "packages.repository": {
                "url": "http://u:p@mirror.example/apt",
                "suite": "bookworm",
                "key": "salt://a.asc",
            }
        },
        "packages.repository.url",
        "'http://***@mirror.example/apt' has a user or password in it, and a spec is no place for secrets",
        "write a URL such as http://mirror.example/apt",
    ),
    (
        {
            "packages.repository": {
                "url": "http://mirror.example/apt",
                "suite": "bookworm",
                "key": "/etc/a.asc",
            }
        },
        "packages.repository.key",
        "'/etc/a.asc' is not a URL that starts with http:// or https:// or salt://",
        "write a URL such as salt://k8s/files/apt.asc",
    ),
    (
        {"images.repository": "http://registry.example/k8s"},
        "images.repository",
        "'http://registry.example/k8s' is not an image repository",
        "write an image repository such as registry.example:5000/kubernetes (no scheme, no tag)",
    ),
    (
        {"images.mirrors": {"http://registry.example": ["http://m"]}},
        "images.mirrors.http://registry.example",
        "'http://registry.example' is not a registry host",
        "write a registry host such as registry.example:5000 (host and port, no scheme)",
    ),
    (
        {"images.mirrors": {"registry.example": ["m.example"]}},
        "images.mirrors.registry.example[0]",
        "'m.example' is not a URL that starts with http:// or https://",
        "write a URL such as http://mirror.example/apt",
    ),
    (
        {"images.mirrors": {"registry.example": []}},
        "images.mirrors.registry.example",
        "the list is empty",
        "write a list of URLs, at least 1",
    ),
    (
        {"images.smoke_check": "Busybox:1"},
        "images.smoke_check",
        "'Busybox:1' is not an image",
        "write an image such as registry.example:5000/library/busybox:1.35",
    ),
    (
        {"limits.concurrency": 0},
        "limits.concurrency",
        "0 is out of range",
        "write a number from 1 to 500",
    ),
    (
        {"limits.max_failures": "ten"},
        "limits.max_failures",
        "'ten' is neither a count nor a percentage",
        'write a count such as 1, or a share such as "10%"',
    ),
    (
        {"limits.max_failures": "0%"},
        "limits.max_failures",
        "'0%' is neither a count nor a percentage",
        'write a count such as 1, or a share such as "10%"',
    ),
    (
        {"time_servers": ["ntp 1"]},
        "time_servers[0]",
        "'ntp 1' is not a host name",
        "write a host name such as api.dc1-prod.example",
    ),
    (
        {"sysctl": {"net.ipv4.ip_forward": 0}},
        "sysctl.net.ipv4.ip_forward",
        "Kubernetes needs it to be 1, and it is set already",
        "remove it",
    ),
    (
        {"sysctl": {"vm.max_map_count": True}},
        "sysctl.vm.max_map_count",
        "true is a truth value, not text or a whole number",
        "write text or a whole number, quoted if YAML reads it as something else",
    ),
    (
        {"sysctl": {"net.ipv4.conf.*.rp_filter": "1"}},
        "sysctl.net.ipv4.conf.*.rp_filter",
        "'net.ipv4.conf.*.rp_filter' is not a sysctl",
        "write a sysctl such as vm.max_map_count",
    ),
    (
        {"containerd": {"plugins": {"a": {"b": [None]}}}},
        "containerd",
        "a mapping has an empty item in the list at plugins.a.b",
        "write the fields as the tool's own reference has them",
    ),
    (
        {"kernel_modules": ["a/b"]},
        "kernel_modules[0]",
        "'a/b' is not a kernel module",
        "write a kernel module such as br_netfilter",
    ),
    (
        {"kubeadm.cluster": {"controlPlaneEndpoint": "a:1"}},
        "kubeadm.cluster.controlPlaneEndpoint",
        "is set by this product",
        "write control_plane.endpoint",
    ),
    (
        {"kubeadm.cluster": {"apiserver": {}}},
        "kubeadm.cluster.apiserver",
        "is not a field of kubeadm.k8s.io/v1beta4",
        "did you mean 'apiServer'?",
    ),
    (
        {"kubeadm.cluster": {"apiServer": {"extraArgs": {"v": "4"}}}},
        "kubeadm.cluster.apiServer.extraArgs",
        "is not a list",
        "write [{name: v, value: '4'}]: v1beta4 has a list of arguments",
    ),
    (
        {"kubeadm.cluster": {"apiServer": {"extraArgs": [{"name": "v", "value": 4}]}}},
        "kubeadm.cluster.apiServer.extraArgs",
        "has an item that is no argument",
        "write {name: v, value: '4'}, both as text",
    ),
    (
        {
            "kubeadm.join": {
                "nodeRegistration": {"kubeletExtraArgs": [{"name": "node-ip", "value": "1.2.3.4"}]}
            }
        },
        "kubeadm.join.nodeRegistration.kubeletExtraArgs.node-ip",
        "is set by this product",
        "remove it: it is the server's own address",
    ),
    (
        {"kubelet": {"serverTLSBootstrap": False}},
        "kubelet.serverTLSBootstrap",
        "is set by this product",
        "remove it: kubelets get their certificates from the cluster's CA",
    ),
    (
        {"pools.db.kubelet": {"rotateCertificates": False}},
        "pools.db.kubelet.rotateCertificates",
        "is set by this product",
        "remove it: kubelets renew their certificates themselves",
    ),
    (
        {"kube_proxy": {"clusterCIDR": "10.0.0.0/8"}},
        "kube_proxy.clusterCIDR",
        "is set by this product",
        "write networks.pods",
    ),
    (
        {"kubeadm.ignore_preflight_errors": ["a b"]},
        "kubeadm.ignore_preflight_errors[0]",
        "'a b' is not a kubeadm preflight check",
        "write a kubeadm preflight check such as SystemVerification",
    ),
    (
        {"python.index": "ftp://a"},
        "python.index",
        "'ftp://a' is not a URL that starts with http:// or https://",
        "write a URL such as http://mirror.example/apt",
    ),
]


@pytest.mark.parametrize(("values", "path", "wrong", "remedy"), MISTAKES)
def test_one_mistake_gives_one_message(change, values, path, wrong, remedy):
    spec, problems = parse("dc1-prod", change(**values))
    assert spec is None
    assert [(problem.path, problem.wrong, problem.remedy) for problem in problems] == [
        (f"dc1-prod.yaml: {path}", wrong, remedy)
    ]


def test_all_mistakes_are_reported_at_once(change):
    _, problems = parse(
        "dc1-prod", change(**{"datacenter": None, "spares": ["a_b"], "pools.db.join": "never"})
    )
    assert [problem.path for problem in problems] == [
        "dc1-prod.yaml: datacenter",
        "dc1-prod.yaml: pools.db.join",
        "dc1-prod.yaml: spares[0]",
    ]


def test_a_problem_reads_as_one_line(change):
    _, (problem,) = parse("dc1-prod", change(**{"networks.pods": "10.244.0.0/33"}))
    assert str(problem) == (
        "dc1-prod.yaml: networks.pods: '10.244.0.0/33' is not a network — "
        "write a network such as 10.244.0.0/16"
    )


@pytest.mark.parametrize("mapping", [None, [], "text"])
def test_a_file_that_is_no_mapping(mapping):
    _, (problem,) = parse("dc1-prod", mapping)
    assert problem.path == "dc1-prod.yaml"
    assert problem.wrong.endswith("is not a mapping")


def test_a_file_name_that_is_no_cluster_name(change):
    _, (problem,) = parse("dc1_prod", change())
    assert str(problem) == (
        "dc1_prod.yaml: name: 'dc1_prod' is not a cluster name — "
        "name the file after the cluster, such as dc1-prod.yaml: lower case letters, digits and '-'"
    )
