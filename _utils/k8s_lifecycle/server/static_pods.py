"""Static pods of a control plane server: restarted and waited for, stopped, and what they said."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import yaml

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.server import command, durable, processes, remains
from k8s_lifecycle.server.kubeadm_unit import KubeadmError
from k8s_lifecycle.wording import last_useful_lines

LOGS = Path("/var/log/pods")
RESTARTED = "k8s-lifecycle/restarted"
# Each needs the one before it, or the API server.
HEALTH = {
    "etcd": "http://127.0.0.1:2381/health",
    "kube-apiserver": "https://127.0.0.1:6443/readyz",
    "kube-controller-manager": "https://127.0.0.1:10257/healthz",
    "kube-scheduler": "https://127.0.0.1:10259/healthz",
}
_POLL = 0.5
# The kernel keeps fifteen letters of a process's name.
COMPONENTS = {
    "etcd": "etcd",
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller",
    "kube-scheduler": "kube-scheduler",
    "kubelet": "kubelet",
}


def started() -> dict[str, float]:
    """Return when the components of this server started, in seconds since the epoch."""
    found = processes.started(COMPONENTS.values())
    return {name: found[comm] for name, comm in COMPONENTS.items() if comm in found}


def restart(components: Collection[str], timeout: float, *, kubelet: bool = False) -> None:
    """Restart components and wait until each runs anew and is healthy.

    kubelet: whether it is restarted, too. One that has not heard of an API server since it started removes no
    pod, so that a changed manifest changes nothing (deletePod in its source: "sources aren't ready yet"); and
    what it has seen fail again and again it starts again after minutes only. What ends it starts again.
    https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/kubelet/kubelet.go
    """
    before = started()
    if kubelet:
        processes.end([COMPONENTS[component] for component in components])
        command.output("systemctl", "restart", "kubelet")
    else:
        for component in components:
            _touch(_manifest(component))
    deadline = time.monotonic() + timeout
    for component in components:
        _wait(component, before.get(component, 0.0), deadline, timeout)


def differences(wanted: Mapping[str, str]) -> list[str]:
    """Return which flags of components have another value in their manifests.

    wanted: values by `COMPONENT --FLAG`. A manifest that is not there, or torn, has no other value.
    """
    return [name for name, value in wanted.items() if _flag(*name.split(" ")) not in (None, value)]


def _flag(component: str, flag: str) -> str | None:
    try:
        content = yaml.safe_load(_manifest(component).read_text())
        words = content["spec"]["containers"][0]["command"]
    except (FileNotFoundError, yaml.YAMLError, KeyError, IndexError, TypeError):
        return None
    return next((word.partition("=")[2] for word in words if word.startswith(f"{flag}=")), None)


def stop(timeout: float = 60) -> None:
    """Stop the kubelet, then the components, which it would start again; wait until they have ended."""
    command.output("systemctl", "stop", "kubelet", timeout=timeout, accept=(0, 5))  # 5: no such unit yet
    wanted = {COMPONENTS[component] for component in HEALTH if _manifest(component).exists()}
    deadline = time.monotonic() + timeout
    while left := sorted(wanted & processes.names()):
        if time.monotonic() > deadline:
            what = ", ".join(left)
            raise HostError(f"{what} did not end within {timeout:.0f} s — look at `crictl ps` there")
        processes.end(left)
        time.sleep(_POLL)


@contextlib.contextmanager
def heard(*, waited: bool) -> Iterator[None]:
    """Add to a failure of kubeadm what a component said that did not come up.

    waited: whether kubeadm is to wait for them.
    """
    try:
        yield
    except KubeadmError as error:
        if waited and (said := last_words()):
            raise KubeadmError(f"{error}\n{said}") from None
        raise


def last_words() -> str:
    """Return what the first component said last that is not healthy; empty where there is none."""
    for component in HEALTH:
        if _manifest(component).exists() and not healthy(component):
            said = _said(component) or "nothing: look at `crictl ps -a` and `journalctl -u kubelet` there"
            return f"{component} is not healthy; it last said:\n{said}"
    return ""


def _manifest(component: str) -> Path:
    return remains.ROOT / f"manifests/{component}.yaml"


def _said(component: str) -> str:
    """Return the last lines of a component's newest log, whose lines are `TIME STREAM F TEXT`.

    The kubelet takes logs away while they are looked at.
    """
    for log in sorted(LOGS.glob(f"kube-system_{component}-*/*/*.log"), key=_age):
        with contextlib.suppress(OSError):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            return last_useful_lines("\n".join(line.split(" ", 3)[-1] for line in lines), 3)
    return ""


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def healthy(component: str) -> bool:
    """Whether a component on this server says that it is healthy."""
    try:
        with urllib.request.urlopen(HEALTH[component], timeout=3, context=any_certificate()) as answer:  # noqa: S310
            return bool(answer.status == 200)  # noqa: PLR2004
    except urllib.error.HTTPError as error:
        return error.code == HTTPStatus.UNAUTHORIZED  # where nobody may ask without a name
    except (OSError, http.client.HTTPException):
        return False


def any_certificate() -> ssl.SSLContext:
    """Return a TLS context that takes every certificate, and loads none to check them by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _touch(path: Path) -> None:
    """Change an annotation of a manifest, in one write: the kubelet replaces the pod.

    A manifest that is moved away and back may be seen as one that never went.
    """
    content = yaml.safe_load(path.read_text())
    now = datetime.now(UTC).isoformat()
    content["metadata"].setdefault("annotations", {})[RESTARTED] = now
    durable.write(path, yaml.safe_dump(content, sort_keys=False))


def _wait(component: str, before: float, deadline: float, timeout: float) -> None:
    while True:
        since = started().get(component)
        if since is not None and since > before and healthy(component):
            return
        if time.monotonic() > deadline:
            state = "it was not started anew" if since is None or since <= before else "it is not healthy"
            raise HostError(
                f"{component} did not come back within {timeout:.0f} s: {state} — look at `crictl ps -a`, "
                f"/var/log/pods/kube-system_{component}-* and `journalctl -u kubelet` there"
            )
        time.sleep(_POLL)
