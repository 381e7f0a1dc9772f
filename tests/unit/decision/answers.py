"""What servers answer, as `k8s_server.facts` returns it."""

MEMBER = {"name": "dc1-cp-1", "id": "1", "learner": False, "healthy": True, "peer_urls": []}
MANIFESTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]


def bare(**changes):
    files = {
        "ca": None,
        "ca_key": False,
        "kubelet_conf": False,
        "kubelet_conf_final": False,
        "kubelet_config": False,
        "bootstrap_kubelet_conf": False,
        "admin_conf": False,
        "manifests": [],
        "etcd_data": False,
    }
    return {
        "code": "",
        "machine_id": "",
        "clock": 0.0,
        "addresses": [],
        "packages": {},
        "kubelet": {"active": False},
        "containerd": {"active": False},
        "kubeadm": None,
        "files": files | changes.pop("files", {}),
        "endpoint": None,
        "fence": 0,
        "lock": None,
        "api": None,
        **changes,
    }


def node(name, labels=(), **changes):
    return {
        "name": name,
        "ready": True,
        "version": "1.36.3",
        "labels": dict(labels),
        "taints": [],
        "unschedulable": False,
        "settled": None,
        **changes,
    }


def control_plane(version="1.36.3", auto_approve=False, phases=(), others=(), nodes=(), view=(), **changes):
    made = ("kubeadm_config", "kubelet_config", "cluster_info", "bootstrap_rbac", "coredns", "kube_proxy")
    seen = {
        "reachable": True,
        "version": version,
        "ca": "ours",
        "etcd": {"members": [MEMBER, *others], "quorum": True},
        "nodes": [
            node("dc1-cp-1", {"node-role.kubernetes.io/control-plane": ""}),
            *(nodes or [node("dc1-w-1")]),
        ],
        "cluster_configuration": {},
        "kubelet_configuration": None,
        "phases": {name: name in (phases or made) for name in made} | {"network_addon": None},
        "auto_approve": auto_approve,
        "dns_crowded": False,
        "admissions": [],
        "lease": None,
        **dict(view),
    }
    files = {
        "ca": "ours",
        "kubelet_conf": True,
        "kubelet_conf_final": True,
        "admin_conf": True,
        "manifests": MANIFESTS,
        "etcd_data": True,
    }
    return bare(files=files, api=seen, **changes)
