"""The HTTP API of the Consul agent on this server: https://developer.hashicorp.com/consul/api-docs"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.consul import HTTP_PORT

TIMEOUT = 30.0  # to force a member out takes Consul ten seconds
NOT_FOUND, FORBIDDEN = 404, 403
NO_SERVERS = "No known Consul servers"  # what an agent says that has joined none
_POLL = 0.5
# No proxy of the environment is between us and this server.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AgentError(HostError):
    """The agent does not answer, or refuses; `status` is its HTTP status, None where there is no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Agent:
    """Calls to the agent with one token; without one they may look up nodes and services."""

    def __init__(
        self, token: str | None = None, address: str = f"127.0.0.1:{HTTP_PORT}", timeout: float = TIMEOUT
    ) -> None:
        self._address, self._token, self._timeout = address, token, timeout

    def get(self, path: str, **query: str) -> Any:
        """Return what is at a path."""
        return self._call("GET", path, None, query)

    def put(self, path: str, content: Mapping[str, Any] | None = None, **query: str) -> Any:
        """Write something to a path and return the answer."""
        return self._call("PUT", path, content, query)

    def delete(self, path: str) -> Any:
        """Delete what is at a path."""
        return self._call("DELETE", path, None, {})

    def keyring(self, method: str, key: str) -> None:
        """Install (POST), use (PUT) or remove (DELETE) a gossip key."""
        self._call(method, "operator/keyring", {"Key": key}, {})

    def find(self, path: str) -> Any:
        """Return what is at a path; None where there is nothing."""
        try:
            return self.get(path)
        except AgentError as error:
            if error.status in (NOT_FOUND, FORBIDDEN) and "not found" in str(error).lower():
                return None
            raise

    def wait_until_trusted(self, seconds: float) -> None:
        """Wait until the datacenter has a leader that knows the token."""
        deadline = time.monotonic() + seconds
        said = ""
        while time.monotonic() < deadline:
            try:
                self.get("acl/token/self")
            except AgentError as error:
                said = str(error)
            else:
                return
            time.sleep(_POLL)
        raise AgentError(
            f"no leader of Consul that knows the token within {seconds:.0f} s: {said} — see that a majority "
            "of the Consul servers runs (`journalctl -u consul`), then run this again"
        )

    def _call(self, method: str, path: str, content: Any, query: Mapping[str, str]) -> Any:
        url = f"http://{self._address}/v1/{path}"
        if query:
            url = f"{url}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, method=method)  # noqa: S310 - loopback only
        if self._token:
            request.add_header("X-Consul-Token", self._token)
        if content is not None:
            request.data = json.dumps(content).encode()
        tried = f"{method} {path.partition('?')[0]}"
        try:
            with _DIRECT.open(request, timeout=self._timeout) as answer:
                said = answer.read()
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace").strip()[:300]
            raise AgentError(f"Consul: {tried}: {error.code} {text}", error.code) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise AgentError(f"Consul on this server does not answer: {reason}") from None
        return json.loads(said) if said.strip() else None
