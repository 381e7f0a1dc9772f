"""Exporters of services outside Kubernetes on a server, laid out for the SLS."""

from __future__ import annotations

from typing import Any

from k8s_lifecycle.model.consul import EXPORTERS, exporters
from k8s_lifecycle.model.datacenter import Datacenter

SECRETS = {"redis": "/etc/k8s-exporters/redis.env", "mysqld": "/etc/k8s-exporters/my.cnf"}


def desired(datacenter: Datacenter, server: str) -> dict[str, dict[str, Any]]:
    """Return what the SLS of a server lay out, by kind."""
    if datacenter.consul is None:
        return {}
    return {
        kind: {"options": options(kind, port), "secrets": SECRETS[kind], "port": port}
        for kind, port in exporters(datacenter, server).items()
    }


def options(kind: str, port: int) -> list[str]:
    """Return those of an exporter, without a secret: that is in a file, which systemd gives it."""
    listens = EXPORTERS[kind][1]
    if kind == "redis":
        return [f"-redis.addr=redis://127.0.0.1:{port}", f"-web.listen-address=:{listens}"]
    return [f"--web.listen-address=:{listens}"]
