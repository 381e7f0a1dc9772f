"""What a master has on disk of its servers: keys in every state, and grains that may be damaged."""

import pytest
import salt.cache
import salt.config

from k8s_lifecycle.action import master_cache


@pytest.fixture
def opts(tmp_path):
    found = salt.config.master_config(None)
    found.update(
        cachedir=str(tmp_path / "cache"), pki_dir=str(tmp_path / "pki"), sock_dir=str(tmp_path / "sock")
    )
    return found


def test_keys_by_their_state(opts, tmp_path):
    kept = {
        "minions": "web-1",
        "minions_pre": "web-2",
        "minions_rejected": "web-3",
        "minions_denied": "web-4",
    }
    for kind, server in kept.items():
        (tmp_path / "pki" / kind).mkdir(parents=True)
        (tmp_path / "pki" / kind / server).write_text("a key")
    (tmp_path / "pki/minions_denied/web-1").write_text("another key")
    found = master_cache.keys(opts)
    assert {server: found.get(server) for server in ("web-1", "web-2", "web-3")} == {
        "web-1": "accepted",
        "web-2": "waiting",
        "web-3": "rejected",
    }


def test_grains_are_remembered_with_their_time(opts):
    salt.cache.factory(opts).store("grains", "web-1", {"os": "Debian", "osrelease": "12"})
    found = master_cache.remembered(opts, ["web-1", "never-seen"])
    assert list(found) == ["web-1"]
    assert found["web-1"].description.os == "Debian 12"
    assert found["web-1"].seen > 1.7e9


@pytest.mark.parametrize("content", [b"", b"\xc1torn", b"\xa3abc"])
def test_a_damaged_file_hides_nobody_else(opts, tmp_path, content):
    cache = salt.cache.factory(opts)
    for server in ("web-1", "web-2"):
        cache.store("grains", server, {"os": "Debian"})
    (tmp_path / "cache/grains/web-1.p").write_bytes(content)
    assert master_cache.remembered(opts, ["web-1", "web-2"])["web-2"].description.os == "Debian"
