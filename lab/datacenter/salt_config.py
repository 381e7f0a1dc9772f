"""Salt's configuration on the master and on the minions."""

from pathlib import Path
from typing import Any

import yaml

from . import salt_keys
from .layout import DOMAIN, MASTER, Layout, Server

CODE = "/srv/k8s-lifecycle"
PILLAR = "/srv/pillar"
# Beside the pillar: what is made at build time and never committed.
SECRETS = "/srv/secrets"


def master_config(layout: Layout) -> dict[str, Any]:
    """Return the master's configuration: what the lab needs, then what the layout adds."""
    return {
        "user": "salt",
        "module_dirs": [CODE],
        "file_roots": {"base": [f"{CODE}/states"]},
        "pillar_roots": {"base": [PILLAR, SECRETS]},
        **_common(layout),
        **_extra(layout.master_config),
    }


def minion_config(layout: Layout, server: Server) -> dict[str, Any]:
    """Return a minion's configuration; its grains are what the layout says of it."""
    grains = {
        "datacenter": server.datacenter,
        "environment": server.environment,
        "k8s_role": server.role,
        "k8s_pool": server.pool,
    }
    return {
        "id": server.id,
        "master": f"{MASTER}.{DOMAIN}",
        "grains": {name: value for name, value in grains.items() if value is not None},
        # A handful of minions need no spreading out when the master is back.
        "random_reauth_delay": 1,
        "recon_max": 2000,
        **_common(layout),
        **_extra(layout.minion_config),
    }


def install_master(tree: Path, root: Path, layout: Layout) -> None:
    """Write the master's configuration and keys, and the accepted minions' keys, into its file tree."""
    _write(tree / "etc/salt/master", master_config(layout))
    salt_keys.install_master(tree, root, layout.minions)
    _enable(tree, "salt-master")


def install_minion(tree: Path, layout: Layout, server: Server) -> None:
    """Write a minion's configuration and keys into its file tree."""
    _write(tree / "etc/salt/minion", minion_config(layout, server))
    salt_keys.install_minion(tree, server)
    _enable(tree, "salt-minion")


def _common(layout: Layout) -> dict[str, Any]:
    return {
        "log_level_logfile": layout.log_level_logfile,
        # Without DNS each unknown name costs its time-out.
        "enable_fqdns_grains": False,
    }


def _extra(file: Path | None) -> dict[str, Any]:
    return yaml.safe_load(file.read_text()) or {} if file else {}


def _write(file: Path, config: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(config, sort_keys=False))


def _enable(tree: Path, unit: str) -> None:
    wants = tree / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / f"{unit}.service").symlink_to(f"/lib/systemd/system/{unit}.service")
