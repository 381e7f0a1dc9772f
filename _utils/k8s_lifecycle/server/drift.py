"""Where a node differs from its spec: reported only, since operations of the runner alone change a node."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from k8s_lifecycle.model import endpoint as endpoints
from k8s_lifecycle.model.leaves import differ, leaves
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import containerd, endpoint, kernel, kubelet, packages, swap
from k8s_lifecycle.server.packages import Installed

ROOT = Path("/")
KUBERNETES_MANIFESTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Node:
    """What is compared with the spec: packages, files by path, and the manifests' images by component."""

    packages: Mapping[str, Installed]
    files: Mapping[str, str]
    kubelet: Mapping[str, Any]
    images: Mapping[str, str]


def look(spec: Spec, root: Path = ROOT) -> Node:
    """Read a node."""
    texts = {path: _content(root / path.lstrip("/")) for path in (containerd.CONFIG, *endpoint.SERVICES)}
    return Node(
        packages=packages.installed(packages.pinned(spec)),
        files={path: text for path, text in texts.items() if text is not None},
        kubelet=_parsed(root / "var/lib/kubelet/config.yaml"),
        images={
            path.stem: _image(_parsed(path))
            for path in (root / "etc/kubernetes/manifests").glob("*.yaml")
            if path.stem in KUBERNETES_MANIFESTS
        },
    )


def drift(spec: Spec, role: str, pool: str | None, node: Node) -> list[str]:
    """Return each difference on a line of its own."""
    return [
        *_packages(spec, node),
        *_kubelet(spec, pool, node),
        *_manifests(spec, node),
        *_containerd(spec, pool, node),
        *(_endpoint(spec, node) if endpoints.is_managed(spec, role) else ()),
    ]


def system(spec: Spec, pool: str | None, root: Path = ROOT) -> list[str]:
    """Return each difference of the kernel and swap, which highstate mends on a node, too."""
    found = kernel.differences(spec.kernel_modules, kernel.settings(spec), root)
    lines = [
        f"{name} is not as highstate lays it out"
        if name.startswith("/")
        else f"{name} is {change['old'] or 'not there'}, the spec asks for {change['new']}"
        for name, change in found.items()
    ]
    if kubelet.wanted(spec, pool).get("failSwapOn") is not False:
        lines += [f"swap is on: {device}" for device in swap.active(root / "proc/swaps")]
        lines += [f"/etc/fstab turns swap on: {line}" for line in swap.at_boot(root / "etc/fstab")]
    return lines


def _packages(spec: Spec, node: Node) -> Iterator[str]:
    for name, version in sorted(packages.pinned(spec).items()):
        found = node.packages.get(name)
        if found is None:
            yield f"{name} is not installed, the spec asks for {version}"
        elif found.version != version:
            yield f"{name} is {found.version}, the spec asks for {version}"
        elif not found.held:
            yield f"{name} is not held: apt would upgrade it"


def _kubelet(spec: Spec, pool: str | None, node: Node) -> Iterator[str]:
    found = leaves(node.kubelet)
    for field, value in leaves(kubelet.wanted(spec, pool)).items():
        if differ(value, found.get(field)):
            yield f"the kubelet runs with {field} {found.get(field)}, the spec asks for {value}"


def _manifests(spec: Spec, node: Node) -> Iterator[str]:
    for component, image in sorted(node.images.items()):
        tag = image.rpartition(":")[2]
        if tag != f"v{spec.version}":
            yield f"{component} runs {tag}, the spec asks for v{spec.version}"


def _containerd(spec: Spec, pool: str | None, node: Node) -> Iterator[str]:
    if node.files.get(containerd.CONFIG) != containerd.config(spec, pool):
        yield f"{containerd.CONFIG} is not what the spec asks for"


def _endpoint(spec: Spec, node: Node) -> Iterator[str]:
    for path in endpoint.SERVICES:
        if endpoints.mark(spec) not in node.files.get(path, ""):
            yield f"{path} is not of the endpoint that the spec asks for"


def _image(manifest: Mapping[str, Any]) -> str:
    containers = manifest.get("spec", {}).get("containers") or [{}]
    return str(containers[0].get("image", "(a torn manifest)"))


def _parsed(path: Path) -> Mapping[str, Any]:
    """Return a YAML file; an empty mapping for one that is absent or torn by a power cut."""
    try:
        found = yaml.safe_load(_content(path) or "")
    except yaml.YAMLError:
        found = None
    return found if isinstance(found, Mapping) else {}


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
