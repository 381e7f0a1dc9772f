"""A sound spec that tests change."""

import copy

import pytest

SOUND = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.37.2"},
    "control_plane": {
        "servers": ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3"],
        "endpoint": {"host": "api.dc1-prod.example", "address": "10.11.0.100", "virtual_router_id": 51},
    },
    "pools": {
        "general": {"servers": ["dc1-w-*"]},
        "db": {"servers": ["dc1-db-1", "dc1-db-2"], "taints": [{"key": "dedicated", "effect": "NoSchedule"}]},
    },
    "spares": ["dc1-spare-?"],
    "network_addon": {
        "values": {"image": "registry.example/flannel:v1", "cni_plugin_image": "registry.example/cni:v1"}
    },
    "packages": {"containerd": {"version": "2.3.7-1"}},
}


@pytest.fixture
def change():
    """A function that returns the sound spec with values at dotted paths set, or removed by None."""

    def changed(**values):
        spec = copy.deepcopy(SOUND)
        for path, value in values.items():
            *parents, last = path.split(".")
            place = spec
            for key in parents:
                place = place.setdefault(key, {})
            if value is None:
                del place[last]
            else:
                place[last] = value
        return spec

    return changed
