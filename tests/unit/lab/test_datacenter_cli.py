"""Words for other programs reach them untouched."""

from argparse import Namespace

import pytest
from datacenter import cli, commands


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Namespace]:
    """The options that the command was called with."""
    calls: list[Namespace] = []
    for name in ("execute", "on_master", "logs"):
        monkeypatch.setattr(commands, name, calls.append)
    monkeypatch.setattr(cli.machine, "require_root", lambda: None)
    monkeypatch.setattr(cli.state, "refuse_foreign", lambda: None)
    return calls


@pytest.mark.parametrize(
    ("words", "passed_on"),
    [
        (["exec", "a", "--", "ls", "-l"], ["ls", "-l"]),
        (["exec", "a", "ls", "--", "-l"], ["ls", "--", "-l"]),
        (["exec", "a"], []),
        (["salt", "-L", "a,b", "test.ping", "--timeout=2"], ["-L", "a,b", "test.ping", "--timeout=2"]),
        (["salt-run", "--help"], ["--help"]),
        (["logs", "a", "-u", "kubelet"], ["-u", "kubelet"]),
    ],
)
def test_words_are_passed_on(parsed: list[Namespace], words: list[str], passed_on: list[str]) -> None:
    assert cli.main(words) == 0
    assert parsed[0].words == passed_on
