"""What this master itself has of servers: their keys, and what it remembers of those that are silent."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

import salt.cache
import salt.key
from salt.exceptions import SaltException

from k8s_lifecycle.model import untrusted
from k8s_lifecycle.model.inventory import Description, Remembered

log = logging.getLogger(__name__)

_STATES = {
    "minions": "accepted",
    "minions_pre": "waiting",
    "minions_rejected": "rejected",
    "minions_denied": "denied",
}
_BANK = "grains"


def keys(opts: Mapping[str, Any]) -> dict[str, str]:
    """Return the state of each key: accepted, waiting, rejected or denied."""
    listed = salt.key.get_key(dict(opts)).list_keys()
    # A minion with an accepted key may have another one denied: what is accepted counts.
    return {server: _STATES[kind] for kind in reversed(_STATES) for server in listed.get(kind, ())}


def remembered(opts: Mapping[str, Any], servers: Collection[str]) -> dict[str, Remembered]:
    """Return the grains of servers as they last sent them: with each highstate and each refresh of pillar."""
    cache = salt.cache.factory(dict(opts))
    found = {}
    for server in servers:
        try:
            if cache.contains(_BANK, server):
                seen, grains = cache.updated(_BANK, server), cache.fetch(_BANK, server)
                found[server] = Remembered(Description.remembered(grains), untrusted.moment(seen))
        except SaltException as error:  # one damaged file is not to hide all other servers
            log.warning("what the master remembers of %s cannot be read: %s", server, error)
    return found
