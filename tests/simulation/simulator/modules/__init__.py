"""The execution modules, simulated: the contract's functions by name, with its arguments and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.clock import Steps
from simulator.modules import (
    k8s_admission,
    k8s_api,
    k8s_drain,
    k8s_etcd,
    k8s_hold,
    k8s_kubeadm,
    k8s_lock,
    k8s_node,
    k8s_pki,
    k8s_server,
)

Function = Callable[..., Steps]

FUNCTIONS: Mapping[str, Function] = {
    **k8s_server.FUNCTIONS,
    **k8s_kubeadm.FUNCTIONS,
    **k8s_admission.FUNCTIONS,
    **k8s_etcd.FUNCTIONS,
    **k8s_api.FUNCTIONS,
    **k8s_hold.FUNCTIONS,
    **k8s_drain.FUNCTIONS,
    **k8s_pki.FUNCTIONS,
    **k8s_lock.FUNCTIONS,
    **k8s_node.FUNCTIONS,
}
