"""What a server cannot do without: the site's registries, its apt repository, its Python package index."""

from collections.abc import Iterator
from dataclasses import dataclass

from k8s_lifecycle.model.settings import Repository, Spec

UNAUTHORIZED = 401


@dataclass(frozen=True)
class Source:
    """One thing to reach; any of its URLs will do. `accept`: which errors prove, too, that it lives."""

    what: str
    urls: tuple[str, ...]
    remedy: str
    accept: tuple[int, ...] = ()


def sources(spec: Spec, role: str) -> Iterator[Source]:
    """Yield every source whose mere answer is enough; an apt repository's index is read besides."""
    for registry in sorted(_registries(spec)):
        urls = tuple(f"{url.rstrip('/')}/v2/" for url in _mirrors(spec, registry))
        yield Source(
            f"the registry {registry} ({', '.join(urls)})",
            urls,
            "start it, or correct images.mirrors",
            (UNAUTHORIZED,),
        )
    repository = spec.packages.repository
    if repository and repository.key.startswith("http"):
        yield Source(
            f"the key of the apt repository ({repository.key})",
            (repository.key,),
            "correct packages.repository.key",
        )
    if role == "control-plane" and spec.python.index:
        url = f"{spec.python.index.rstrip('/')}/kubernetes/"
        yield Source(f"the Python package index ({url})", (url,), "start it, or correct python.index")


def package_indexes(repository: Repository, architecture: str) -> list[Source]:
    """Return the Packages index of an apt repository, of each component if it has them."""
    base, suite = repository.url.rstrip("/"), repository.suite
    if repository.is_flat:
        indexes = {suite: f"{base}/{suite.lstrip('/')}Packages.gz"}
    else:
        indexes = {
            f"{suite}/{component}": f"{base}/dists/{suite}/{component}/binary-{architecture}/Packages.gz"
            for component in repository.components
        }
    remedy = "start it, or correct packages.repository"
    return [
        Source(f"the apt repository ({repository.url}, {name})", (index,), remedy)
        for name, index in indexes.items()
    ]


def _registries(spec: Spec) -> set[str]:
    """Return the registries that the spec names; the defaults of kubeadm and containerd are not ours."""
    named = (spec.images.repository, spec.images.pause, spec.images.smoke_check)
    hosts = (image.partition("/")[0] for image in named if image and "/" in image)
    return {host for host in hosts if "." in host or ":" in host}


def _mirrors(spec: Spec, registry: str) -> tuple[str, ...]:
    mirrors = spec.images.mirrors
    return mirrors.get(registry) or mirrors.get("_default") or (f"https://{registry}",)
