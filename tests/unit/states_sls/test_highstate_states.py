"""Highstates that Salt itself runs, without a master: what they note of themselves."""

import pytest
import salt.client
import salt.config
from test_server_sls import CHECKOUT

from k8s_lifecycle.server import highstate

GOOD = "good:\n  test.succeed_without_changes\n"
# The last of the tree's own states, by every means that a tree has but one.
BAD = "bad:\n  test.fail_without_changes:\n    - order: 9999\n"


@pytest.fixture
def run(tmp_path):
    """A function that runs a highstate of the SLS k8s.highstate and another one; returns its states."""

    def highstate_of(text, **how):
        (tmp_path / "tree").mkdir(exist_ok=True)
        (tmp_path / "tree/top.sls").write_text("base:\n  '*':\n    - k8s.highstate\n    - other\n")
        (tmp_path / "tree/other.sls").write_text(text)
        opts = salt.config.minion_config(None)
        opts.update(
            {
                "id": "web-1",
                "file_client": "local",
                "file_roots": {"base": [str(tmp_path / "tree"), str(CHECKOUT / "states")]},
                "pillar_roots": {"base": []},
                "module_dirs": [str(CHECKOUT)],
                "states_dirs": [str(CHECKOUT / "_states")],
                "root_dir": str(tmp_path),
                **{f"{name}dir": str(tmp_path / name) for name in ("cache", "pki_", "sock_")},
                "pki_dir": str(tmp_path / "pki"),
                "sock_dir": str(tmp_path / "sock"),
                "log_file": str(tmp_path / "log"),
                "enable_fqdns_grains": False,
            }
        )
        states = salt.client.Caller(mopts=opts).cmd("state.highstate", **how)
        return states, highstate.last(highstate.file(opts))

    return highstate_of


def ids(states):
    ordered = sorted(states.values(), key=lambda state: state["__run_num__"])
    return [state["__id__"] for state in ordered]


def test_one_that_succeeds(run):
    states, noted = run(GOOD)
    assert ids(states) == ["k8s-highstate-begun", "good", "k8s-highstate-ended"]
    assert all(state["result"] is True and not state["changes"] for state in states.values())
    assert (noted["states"], noted["failures"], noted["unfinished"]) == (2, 0, None)
    assert noted["began"] <= noted["ended"]


def test_one_that_fails_is_noted_with_what_failed(run):
    states, noted = run(GOOD + BAD)
    assert ids(states)[-1] == "k8s-highstate-ended"
    assert (noted["failures"], noted["failed"]) == (1, ["bad"])


def test_one_that_stops_at_a_failure_has_not_ended(run):
    _, before = run(GOOD)
    _, noted = run(GOOD + BAD + "    - failhard: True\n")
    assert noted["ended"] == before["ended"]
    assert noted["unfinished"] > before["ended"]


def test_a_test_is_no_highstate(run):
    states, noted = run(GOOD, test=True)
    assert noted is None
    assert not [state for state in states.values() if state["changes"]]
