"""What servers say, however they say it."""

import math

import pytest

from k8s_lifecycle.model import untrusted
from k8s_lifecycle.model.inventory import Description, Overview

JUNK = [None, True, 7, -1.5, math.nan, math.inf, 10**400, "", "x" * 10**6, "\x1b[2J", [], [[]], {}, {"a": {}}]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("dc1", "dc1"),
        (3008.3, "3008.3"),
        (7, "7"),
        ("日本 ünï", "日本 ünï"),
        ("a\x1b[2Jb", "a�[2Jb"),
        ("safe\u202egpj.exe", "safe�gpj.exe"),
        ("two\nlines", "two�lines"),
        ("\ud800", "�"),
        ("x" * 300, "x" * 200 + "…"),
        (None, ""),
        (True, ""),
        (10**400, ""),
        (math.nan, ""),
        (["a"], ""),
        ({}, ""),
    ],
)
def test_text_is_one_line_that_can_be_shown(said, text):
    assert untrusted.text(said) == text


@pytest.mark.parametrize("said", [None, True, "7", -1, math.nan, math.inf, 10**400, [7]])
def test_what_is_no_number(said):
    assert untrusted.number(said) is None


def test_a_moment_that_no_calendar_has():
    assert untrusted.moment(1e15) is None
    assert untrusted.moment(1.8e9) == 1.8e9


def test_lists_end():
    assert len(untrusted.texts(["a"] * 10**6)) == untrusted.MOST


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:20])
def test_a_server_may_say_anything(junk):
    keys = ("code", "clock", "machine_id", "grains", "addresses", "os", "kernel", "hardware", "versions",
            "services", "certificates", "consul", "highstate", "api", "errors")  # fmt: skip
    deep = {
        "hardware": {
            "cores": junk,
            "memory": junk,
            "disks": [junk, {"name": junk, "size": junk}],
            "model": junk,
        },
        "certificates": [junk, {"expires": junk, "begins": junk, "name": junk}, {"error": junk}],
        "highstate": {"ended": junk, "unfinished": 1, "states": junk, "failed": junk},
        "api": {
            "reachable": True,
            "version": junk,
            "nodes": [junk, {"name": "n", "hold": junk}, {"name": junk}],
        },
    }
    for said in (junk, dict.fromkeys(keys, junk), deep):
        found = Description.read(said)
        Description.remembered(said)
        assert all(isinstance(one, str) for one in (found.code, found.os, *found.grains.values()))
        assert found.overview is None or isinstance(found.overview, Overview)


@pytest.mark.parametrize("until", ["soon", None, 7, "2027-01-01T00:00:00", ["x"]])
def test_a_hold_that_is_damaged_never_ends(until):
    hold = {"operation": "drain", "until": until}
    seen = Overview.read({"reachable": True, "nodes": [{"name": "n", "hold": hold}]})
    assert seen.nodes["n"].hold.until == "?"
