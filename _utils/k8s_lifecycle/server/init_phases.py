"""Which phases of `kubeadm init` are left to do, decided from what is there.

kubeadm can only leave phases out, so that what is to run becomes what is to be skipped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from k8s_lifecycle.server.remains import MANIFEST_PIECES, State

FILES = (
    "certs/ca",
    "certs/apiserver",
    "certs/apiserver-kubelet-client",
    "certs/front-proxy-ca",
    "certs/front-proxy-client",
    "certs/etcd-ca",
    "certs/etcd-server",
    "certs/etcd-peer",
    "certs/etcd-healthcheck-client",
    "certs/apiserver-etcd-client",
    "certs/sa",
    "kubeconfig/admin",
    "kubeconfig/super-admin",
    "kubeconfig/kubelet",
    "kubeconfig/controller-manager",
    "kubeconfig/scheduler",
    "etcd/local",
    "control-plane/apiserver",
    "control-plane/controller-manager",
    "control-plane/scheduler",
)
WAIT = "wait-control-plane"
START = ("kubelet-start", WAIT)
OBJECTS = (
    "upload-config/kubeadm",
    "upload-config/kubelet",
    "mark-control-plane",
    "bootstrap-token",
    "addon/coredns",
    "addon/kube-proxy",
)
ADDONS = ("addon/coredns", "addon/kube-proxy")
FINALIZE = "kubelet-finalize"
NEVER = ("upload-certs", "show-join-command")
ALL = ("preflight", *FILES, *START, *OBJECTS, FINALIZE, *NEVER)

OF_INIT_ONLY = frozenset({"kubeconfig/super-admin"})


def files_left(states: Mapping[str, State], *, joined: bool, anew: bool = False) -> list[str]:
    """Return the phases that make the files which are not there, torn ones having been removed.

    kubeadm's preflight objects to manifests, also to its own. It ran before the first one was written.
    joined: the server came by `kubeadm join`, which does not make all that init makes. anew: the manifests
    are written in any case, as the spec asks for them by now.
    """
    left = [
        phase
        for phase in FILES
        if (states[phase] is not State.WHOLE or (anew and phase in MANIFEST_PIECES))
        and not (joined and phase in OF_INIT_ONLY)
    ]
    untouched = all(states[piece] is State.ABSENT for piece in MANIFEST_PIECES)
    return ["preflight", *left] if left and untouched and not joined else left


def objects_left(there: Collection[str]) -> list[str]:
    """Return the phases whose objects a living API does not have.

    An addon that is skipped counts as switched off, and the upload would record that in the cluster for
    upgrades to come: where the configuration is uploaded, the addons are applied again.
    """
    left = [phase for phase in OBJECTS if phase not in there]
    return list(OBJECTS) if "upload-config/kubeadm" in left else left


def skipping(phases: Collection[str], configured: Iterable[str] = ()) -> str:
    """Return the flag with which `kubeadm init` runs these phases only, without those a site skips."""
    skipped = [phase for phase in ALL if phase not in phases or phase in NEVER]
    return f"--skip-phases={','.join(dict.fromkeys([*skipped, *configured]))}"
