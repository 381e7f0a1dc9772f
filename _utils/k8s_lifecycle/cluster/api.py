"""The API server of this control plane server, asked as its administrator, in plain JSON.

It stands on the transport of the `kubernetes` package (TLS, timeouts, connection reuse) and not on its typed
classes: loading those takes half a second and reading them drops fields that they do not know yet.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.wording import brief

try:
    from kubernetes import client as kubernetes_client
except ImportError:  # no control plane server, or not prepared yet
    kubernetes_client = None  # type: ignore[assignment]

KUBERNETES_DIRECTORY = Path("/etc/kubernetes")
CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 10.0
FIELD_MANAGER = "k8s-lifecycle"

Json = dict[str, Any]


class KubernetesError(HostError):
    """The API server gave no useful answer."""


class UnreachableError(KubernetesError):
    """The API server is silent: nothing is known about what it would have said."""


class UnknownKindError(KubernetesError):
    """The cluster has no such kind of object, or not yet."""


class RefusedError(KubernetesError):
    """The API server answered, and said no."""

    def __init__(
        self, status: int, reason: str, message: str, causes: Mapping[str, str] | None = None
    ) -> None:
        """causes: the messages of the answer's details by the kind of cause."""
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.causes = causes or {}


class NotFoundError(RefusedError):
    """The object does not exist."""


class ForbiddenError(RefusedError):
    """The administrator may not do this: kubeadm init has not got to giving him his rights."""


class ConflictError(RefusedError):
    """The object exists already, or was changed by somebody since it was read."""


_KINDS: dict[int, type[RefusedError]] = {
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
}


def is_usable() -> bool:
    """Whether the Python package `kubernetes` was there when this process began."""
    return kubernetes_client is not None


class Api:
    """One connection to an API server."""

    def __init__(self, host: str, authority: str, certificate: str, timeout: float = READ_TIMEOUT) -> None:
        """Connect to `host`, a URL; `authority` and `certificate` (with its key) are PEM."""
        if kubernetes_client is None:
            raise KubernetesError(
                "this server has no Python package `kubernetes` — run `state.apply k8s.server` on it, which "
                "installs it on control plane servers"
            )
        self.host = host.rstrip("/")
        self.timeout = timeout
        configuration = kubernetes_client.Configuration(
            host=self.host, ca_cert_data=authority, retries=False, proxy=""
        )
        # OpenSSL reads client certificates from files only. A memory file leaves no key behind in /tmp.
        self._certificate = _memory_file(certificate)
        configuration.cert_file = configuration.key_file = f"/proc/self/fd/{self._certificate.fileno()}"
        self._client = kubernetes_client.ApiClient(configuration)

    @classmethod
    def local(
        cls, directory: Path = KUBERNETES_DIRECTORY, timeout: float = READ_TIMEOUT, user: str = "admin"
    ) -> Api:
        """Connect as the cluster's administrator to the API server on this server itself.

        admin.conf has the credentials, but leads to the cluster's endpoint and from there to any API server;
        kubeadm points the controller manager's kubeconfig at the local one.
        """
        admin = _kubeconfig(directory / f"{user}.conf")
        local = _kubeconfig(directory / "controller-manager.conf")
        return cls(local.server, admin.authority, admin.certificate, timeout)

    def get(self, path: str, **query: str) -> Json:
        """Return the object or list at `path`. Raises: `NotFoundError`."""
        return self._request("GET", path, query=query)

    def watch(self, path: str, version: str, seconds: int) -> Iterator[Json]:
        """Yield what happens in the collection at `path` after a version of it, for so many seconds.

        https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
        Bookmarks come at least once a minute: who is silent for longer than `timeout` does not answer.
        """
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(seconds)}
        query["allowWatchBookmarks"] = "true"
        with self._answering("GET", path, query=query) as response:
            if response.status != HTTPStatus.OK:
                _answer(f"GET {path}", response.status, response.data)
            rest = b""
            for chunk in response.stream(None):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from map(json.loads, lines)

    def find(self, path: str) -> Json | None:
        """Return the object at `path`, or None where a living API server says that there is none."""
        try:
            return self.get(path)
        except NotFoundError:
            return None

    def create(self, path: str, manifest: Mapping[str, Any]) -> Json:
        """Create an object in the collection at `path`. Raises: `ConflictError` where it exists."""
        return self._request("POST", path, manifest)

    def replace(self, path: str, manifest: Mapping[str, Any]) -> Json:
        """Replace an object. Raises: `ConflictError` if it changed since its `resourceVersion` was read."""
        return self._request("PUT", path, manifest)

    def merge(self, path: str, patch: Mapping[str, Any]) -> Json:
        """Change the given fields of an object; with `metadata.resourceVersion` only if it is unchanged."""
        return self._request("PATCH", path, patch, content_type="application/merge-patch+json")

    def apply(self, path: str, manifest: Mapping[str, Any]) -> Json:
        """Make an object be as given, and take over fields that somebody else set (server-side apply)."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._request("PATCH", path, manifest, query, "application/apply-patch+yaml")

    def delete(self, path: str, options: Mapping[str, Any] | None = None, **query: str) -> bool:
        """Delete an object, or what a query selects of a collection; return whether there was one.

        options: fields of DeleteOptions.
        """
        try:
            self._request("DELETE", path, {"propagationPolicy": "Background", **(options or {})}, query)
        except NotFoundError:
            return False
        return True

    def path_of(self, manifest: Mapping[str, Any]) -> str:
        """Return the path of the object that a manifest describes. Raises: `UnknownKindError`."""
        group = manifest["apiVersion"]
        root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        resource = self._resources(root).get(manifest["kind"])
        if resource is None:
            self._resources.cache_clear()
            raise UnknownKindError(f"the cluster has no kind {manifest['kind']} in {group}")
        plural, namespaced = resource
        metadata = manifest["metadata"]
        scope = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{root}{scope}/{plural}/{metadata['name']}"

    @functools.cache  # noqa: B019 - an Api lives for one call
    def _resources(self, root: str) -> dict[str, tuple[str, bool]]:
        found = self.find(root) or {"resources": []}
        return {
            resource["kind"]: (resource["name"], resource["namespaced"])
            for resource in found["resources"]
            if "/" not in resource["name"]
        }

    def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        with self._answering(method, path, body, query, content_type) as response:
            return _answer(f"{method} {path}", response.status, response.data)

    @contextlib.contextmanager
    def _answering(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Give the answer; where it stays away, or ends before it was read, raise UnreachableError."""
        url = f"{self.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": content_type}
        try:
            yield self._client.call_api(
                method, url, headers, body, _request_timeout=(CONNECT_TIMEOUT, self.timeout)
            ).response
        except (urllib3.exceptions.HTTPError, kubernetes_client.ApiException) as error:
            raise UnreachableError(f"{self.host} does not answer: {brief(error)}") from None


def _answer(request: str, status: int, content: bytes) -> Json:
    """Return the answer, or raise its message; the rest of an error may be secret."""
    try:
        answer: Json = json.loads(content)
    except ValueError:
        answer = {"message": content.decode(errors="replace").strip()[:200]}
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return answer
    kind = _KINDS.get(status, RefusedError)
    said = f"{request}: {answer.get('message') or f'HTTP {status}'}"
    details = (answer.get("details") or {}).get("causes") or ()
    causes = {one.get("reason", ""): one.get("message", "") for one in details}
    raise kind(status, answer.get("reason", ""), said, causes)


@dataclass(frozen=True)
class _Kubeconfig:
    server: str
    authority: str
    certificate: str


def _kubeconfig(path: Path) -> _Kubeconfig:
    with _described(path):
        content = yaml.safe_load(path.read_text())
        cluster = content["clusters"][0]["cluster"]
        user = content["users"][0]["user"]
        certificate = user["client-certificate-data"], user["client-key-data"]
        return _Kubeconfig(
            cluster["server"],
            _decoded(cluster["certificate-authority-data"]),
            "".join(map(_decoded, certificate)),
        )


@contextlib.contextmanager
def _described(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnreachableError(f"this server has no {path}: {error.strerror}") from None
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError):
        raise UnreachableError(f"{path} is no kubeconfig of kubeadm, or only a part of one") from None


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode()


def _memory_file(content: str) -> Any:
    file = os.fdopen(os.memfd_create("k8s-client-certificate"), "w")
    file.write(content)
    file.flush()
    return file
