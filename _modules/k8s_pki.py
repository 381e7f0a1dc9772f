"""The certificates of this server: reported, renewed, put back."""

from __future__ import annotations

import time
from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle import failures, fencing
from k8s_lifecycle.cluster import admission
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.certificates import READ_ONCE
from k8s_lifecycle.server import addresses, certificates, kubelet_credentials, renewal, static_pods

__virtualname__ = "k8s_pki"

__opts__: dict[str, Any]

_API_SERVER = "kube-apiserver"
_POLL = 1.0


def report() -> dict[str, Any]:
    """Return every certificate of this server: in files, in kubeconfigs, and as its ports show them now.

    Returns a mapping:

    files
        A list, each with name, where (its path), written, begins and expires (seconds since the epoch),
        subject, issuer, sans, fingerprint (SHA-256, hexadecimal), authority (True for a CA)
        and, for those that have a key, whole (whether it matches its key and the cluster's CA has signed it).
        One that cannot be read has name, where, whole (False) and error instead.
    served
        A list, each with name (of the file whose certificate it should be; empty where the component signs
        its own), where, port, subject, issuer, sans, expires and fingerprint.
    started
        When each component started, by name, in seconds since the epoch.
    healthy
        The names of the components of a control plane that say that they are healthy.
    kubelet
        A mapping: whether kubelet.conf is there (``configured``), whether it and the certificate that it
        leads to are ``whole``, and whether the kubelet was given a token to ask for one (``bootstrapping``).
    external
        The CAs of this control plane's certificates whose keys are not on this server, a list of names.
    staged
        Whether a renewal was cut off after its certificates were made.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_pki.report
    """
    with failures.told("reading the certificates"):
        return {**certificates.look(), "staged": renewal.staged()}


def renew(fence: int, spec: dict[str, Any]) -> dict[str, str]:
    """Renew the leaf certificates and the kubeconfigs of this control plane server. Nothing is restarted.

    They are made and checked aside, then put into place one by one; what was there is backed up, and the
    three newest back-ups are kept, in /var/lib/k8s-lifecycle/certificates/backups. A renewal that was cut off
    is finished. kubelet.conf is the kubelet's own (``k8s_pki.renew_kubelet``).

    fence
        The fencing number of the run, a whole number.
    spec
        The cluster's spec, a mapping as in the pillar.

    Returns the name of the back-up: ``backup``.

    Raises an error if this server has seen a higher fencing number, the spec is not valid, a kubeadm runs,
    the key of a CA is not here, or kubeadm fails. Nothing is changed then.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_pki.renew 7 '{...}'
    """
    with failures.told("renewing the certificates"):
        fencing.admit(fence)
        wanted = specs.from_dict(spec)
        return {"backup": renewal.renew(wanted, __opts__["id"], addresses.shown(wanted))}


def wait_served(timeout: float = 90) -> list[str]:
    """Wait until every port of this control plane shows the certificate in its file, and its API is ready.

    kube-apiserver and etcd read theirs again by themselves, the former within a minute.

    timeout
        For how many seconds. Default: 90.

    Returns what is not so by then: ``port NUMBER`` or ``kube-apiserver``; none if all is.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_pki.wait_served timeout=30
    """
    with failures.told("waiting for new certificates to be shown"):
        deadline = time.monotonic() + timeout
        while True:
            left = certificates.not_in_effect()
            if not left and static_pods.healthy(_API_SERVER):
                return []
            if time.monotonic() > deadline:
                return left or [_API_SERVER]
            time.sleep(_POLL)


def restart(
    fence: int, components: list[str] | None = None, seconds: float = 45, kubelet: bool = False
) -> dict[str, list[str]]:
    """Restart components of this control plane server, and wait until each runs anew and is healthy.

    Whether an etcd member may be restarted is the caller's to prove (the quorum proof).

    fence
        The fencing number of the run, a whole number.
    components
        Their names, a list. Default: kube-controller-manager and kube-scheduler, which do not read their
        kubeconfigs again.
    seconds
        For how long to wait. Default: 45.
    kubelet
        Whether its kubelet is restarted, too, as it has to be where no API server answers. Default: False.

    Returns their names: ``changed``.

    Raises an error if this server has seen a higher fencing number, or one does not come back.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_pki.restart 7 '[kube-scheduler]'
    """
    with failures.told("restarting components"):
        fencing.admit(fence)
        wanted = list(components or READ_ONCE)
        static_pods.restart(wanted, seconds, kubelet=kubelet)
        return {"changed": wanted}


def put_back(fence: int, backup: str, seconds: float = 45) -> dict[str, str]:
    """Put the certificates of a back-up into place again, and restart what does not read them by itself.

    fence
        The fencing number of the run, a whole number.
    backup
        Its name, as ``k8s_pki.renew`` returned it.
    seconds
        For how long to wait for the restarts. Default: 45.

    Returns which it was: ``backup``; and what did not come back, in words, empty if all did: ``failed``.

    Raises an error if this server has seen a higher fencing number, there is no such back-up, or its
    certificates have expired or are not whole: the new ones stay in place then.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_pki.put_back 7 20260131T120000Z
    """
    with failures.told(f"putting the certificates of {backup} back"):
        fencing.admit(fence)
        renewal.put_back(backup)
        try:
            static_pods.restart(list(READ_ONCE), seconds)
        except Exception as error:  # the certificates are back, whatever becomes of the restart
            return {"backup": backup, "failed": str(error)}
        return {"backup": backup, "failed": ""}


def renew_kubelet(fence: int, spec: dict[str, Any] | None = None, box: str = "") -> dict[str, bool]:
    """Give this server's kubelet a new client certificate, in place of one that has expired.

    The kubelet renews its certificate by itself while it is valid.

    fence
        The fencing number of the run, a whole number.
    spec
        On a control plane server, which has the CA: the cluster's spec, a mapping as in the pillar.
    box
        On a worker: what ``k8s_admission.mint`` returned for this server; the kubelet asks with its token.

    Returns whether it was renewed: ``changed``.

    Raises an error if this server has seen a higher fencing number, neither or both of ``spec`` and ``box``
    are given, the box does not open, kubeadm fails, or the kubelet has no certificate after 120 s.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_pki.renew_kubelet 7 box=eyJs...
    """
    with failures.told("renewing the kubelet's certificate"):
        fencing.admit(fence)
        if bool(spec) == bool(box):
            raise CommandExecutionError("give the spec on a control plane server, or the box on a worker")
        if spec:
            wanted = specs.from_dict(spec)
            kubelet_credentials.make(wanted, __opts__["id"], addresses.shown(wanted))
        else:
            kubelet_credentials.ask(admission.open_box(box, __opts__["id"]))
        return {"changed": True}
