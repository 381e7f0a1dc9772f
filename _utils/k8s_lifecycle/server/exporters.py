"""Exporters of services outside Kubernetes on a server, laid out for the SLS."""

from __future__ import annotations

from typing import Any

from k8s_lifecycle.model.consul import EXPORTERS, exporters
from k8s_lifecycle.model.datacenter import Datacenter
from k8s_lifecycle.model.secrets import ExporterSecrets

SECRETS = {"redis": "/etc/k8s-exporters/redis.json", "mysqld": "/etc/k8s-exporters/my.cnf"}
# Who may ask redis_exporter has it connect to any server (/scrape?target=): its file gives the password to
# one address only, https://github.com/oliver006/redis_exporter/blob/v1.45.0/exporter/redis.go.
# mysqld_exporter connects to its own service only, before version 0.15.
SECRETS_OPTIONS = {"redis": "-redis.password-file", "mysqld": "--config.my-cnf"}


def desired(datacenter: Datacenter, server: str, accounts: ExporterSecrets) -> dict[str, dict[str, Any]]:
    """Return what the SLS of a server lay out, by kind."""
    if datacenter.consul is None:
        return {}
    user = accounts.redis.user if accounts.redis else None
    return {
        kind: {
            "options": options(kind, port, user),
            "secrets": SECRETS[kind],
            "secrets_option": SECRETS_OPTIONS[kind],
            "port": port,
        }
        for kind, port in exporters(datacenter, server).items()
    }


def options(kind: str, port: int, user: str | None = None) -> list[str]:
    """Return those of an exporter, without a secret: that is in a file, which systemd gives it.

    user: that in Redis; of mysqld, it is in the file.
    """
    listens = EXPORTERS[kind][1]
    if kind == "redis":
        login = [f"-redis.user={user}"] if user else []
        return [f"-redis.addr=redis://127.0.0.1:{port}", *login, f"-web.listen-address=:{listens}"]
    return [f"--web.listen-address=:{listens}"]
