"""What only some servers may know, in the pillar `k8s_secrets`, which a site gives by minion id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from k8s_lifecycle.model import kinds
from k8s_lifecycle.model.schema import MapOf, Problem, Reader, Section, setting, settings
from k8s_lifecycle.model.spec import InvalidSpecError

PILLAR = "k8s_secrets"

T = TypeVar("T")


@settings
class ConsulSecrets:
    """What a Consul server must know. Agents need none of it: theirs is sealed to them."""

    gossip_key: str = setting(
        kinds.GOSSIP_KEY, "The key of the gossip; one for all datacenters that are joined."
    )
    management_token: str = setting(
        kinds.TOKEN, "The token that may do everything in this datacenter, with which its ACLs begin."
    )
    authority: str = setting(
        kinds.CERTIFICATE, "The certificate of the authority that signs Consul servers, and nothing else."
    )
    certificate: str = setting(kinds.CERTIFICATE, "The server's own, for `server.DATACENTER.consul`.")
    key: str = setting(kinds.PRIVATE_KEY, "The key of that certificate.")


@settings
class NodeExporterSecrets:
    """What node_exporter shows itself with, and who may ask it."""

    certificate: str | None = setting(kinds.CERTIFICATE, "The server's certificate.", default=None)
    key: str | None = setting(kinds.PRIVATE_KEY, "The key of that certificate.", default=None)
    users: Mapping[str, str] = setting(
        MapOf(kinds.USER, kinds.BCRYPT), "Users, with the bcrypt hashes of their passwords.", default={}
    )


@settings
class CentralSecrets:
    """What opens the central Prometheus."""

    authority: str = setting(kinds.CERTIFICATE, "The certificate of the authority that signs it.")
    password: str = setting(kinds.PASSWORD, "The password there of the user with this datacenter's name.")


@settings
class PrometheusSecrets:
    """What a Prometheus server shows itself with, who may ask it, and what it asks others with."""

    certificate: str | None = setting(
        kinds.CERTIFICATE, "The server's certificate, for its address; Alertmanager's, too.", default=None
    )
    key: str | None = setting(kinds.PRIVATE_KEY, "The key of that certificate.", default=None)
    users: Mapping[str, str] = setting(
        MapOf(kinds.USER, kinds.BCRYPT), "Users, with the bcrypt hashes of their passwords.", default={}
    )
    authority: str | None = setting(
        kinds.CERTIFICATE,
        "The certificate of the authority that signs whoever is asked with TLS, for their addresses.",
        default=None,
    )
    node_exporter: str | None = setting(
        kinds.PASSWORD, "The password of the user `prometheus` in every node_exporter.", default=None
    )
    password: str | None = setting(
        kinds.PASSWORD,
        "The password of the user `prometheus` in the datacenter's Prometheus and Alertmanager.",
        default=None,
    )
    couchbase: str | None = setting(
        kinds.PASSWORD, "The password of the user `prometheus` in Couchbase.", default=None
    )
    central: CentralSecrets | None = setting(
        Section(CentralSecrets), "What opens the central Prometheus.", default=None
    )


@settings
class Account:
    """With what an exporter looks into a service on its own server."""

    user: str | None = setting(kinds.USER, "The user; Redis may have none.", default=None)
    password: str = setting(kinds.PASSWORD, "The password.")


@settings
class ExporterSecrets:
    """With what exporters look into services."""

    redis: Account | None = setting(Section(Account), "Where Redis asks for a password.", default=None)
    mysqld: Account | None = setting(Section(Account), "For MariaDB or MySQL.", default=None)


def consul(pillar: Mapping[str, Any]) -> ConsulSecrets:
    """Return the secrets of a Consul server; raise InvalidSpecError without a secret in its message."""
    return _read(ConsulSecrets, pillar, "consul")


def node_exporter(pillar: Mapping[str, Any]) -> NodeExporterSecrets:
    """Return the secrets of node_exporter; raise InvalidSpecError without a secret in its message."""
    return _read(NodeExporterSecrets, pillar, "node_exporter")


def prometheus(pillar: Mapping[str, Any]) -> PrometheusSecrets:
    """Return the secrets of a Prometheus server; raise InvalidSpecError without a secret in its message."""
    found = _read(PrometheusSecrets, pillar, "prometheus")
    if problems := list(_shared(found)):
        raise InvalidSpecError(problems)
    return found


def exporters(pillar: Mapping[str, Any]) -> ExporterSecrets:
    """Return the secrets of exporters; raise InvalidSpecError without a secret in its message."""
    return _read(ExporterSecrets, pillar, "exporters")


def _shared(found: PrometheusSecrets) -> Iterator[Problem]:
    """Who is asked with a password learns it, and what else it opens is open to them."""
    passwords = {
        "node_exporter": found.node_exporter,
        "password": found.password,
        "couchbase": found.couchbase,
        "central.password": found.central.password if found.central else None,
    }
    owners: dict[str, str] = {}
    for name, password in passwords.items():
        if password and (other := owners.setdefault(password, name)) != name:
            wrong = f"it is that of `{other}`, too, and who is asked with one learns it"
            yield Problem(f"pillar {PILLAR}.prometheus.{name}", wrong, "give each its own")


def _read(cls: type[T], pillar: Mapping[str, Any], name: str) -> T:
    reader = Reader()
    found = reader.section(cls, f"pillar {PILLAR}.{name}", (pillar.get(PILLAR) or {}).get(name) or {})
    if reader.problems:
        raise InvalidSpecError(reader.problems)
    return found
