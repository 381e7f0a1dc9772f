"""kubeadm as a unit of systemd: one at a time, its result kept, its input gone, its secrets not shown."""

import pytest

from k8s_lifecycle.server import kubeadm_unit
from k8s_lifecycle.server.kubeadm_unit import KubeadmError

SAID = """[preflight] Running pre-flight checks
CGROUPS_CPU: enabled
	[WARNING SystemVerification]: cgroups v1 support is deprecated
\x1b[0;37mCONFIG_CGROUPS\x1b[0m: \x1b[0;32menabled\x1b[0m
error: token abcdef.0123456789abcdef is not valid
To see the stack trace of this error execute with --v=5 or higher
"""


class Systemd:
    """systemd with one unit, which ends as told when it is looked at for the third time."""

    def __init__(self, log):
        self.state, self.ends, self.log, self.calls, self.looks = "inactive", "active", log, [], 0

    def output(self, *words, **_):
        self.calls.append(words)
        if words[:2] == ("systemctl", "show"):
            return self._show()
        if words[0] == "systemd-run":
            self.state, self.looks = "activating", 0
            self.log.write_text(SAID)
        if words[:2] == ("systemctl", "stop"):
            self.state = "inactive"
        return ""

    def _show(self):
        self.looks += 1
        if self.state == "activating" and self.looks > 2:
            self.state = self.ends
        return f"ActiveState={self.state}\nJob=0\nDescription=kubeadm join by k8s-lifecycle\n"

    def started(self):
        return next(words for words in self.calls if words[0] == "systemd-run")


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    log = tmp_path / "logs/kubeadm-join.log"
    fake = Systemd(log)
    monkeypatch.setattr(kubeadm_unit, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(kubeadm_unit, "INPUT", tmp_path / "input")
    monkeypatch.setattr(kubeadm_unit, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(kubeadm_unit, "_POLL", 0.001)
    monkeypatch.setattr(kubeadm_unit.command, "output", fake.output)
    monkeypatch.setattr(kubeadm_unit.processes, "kubeadm", lambda: None)
    monkeypatch.setattr(kubeadm_unit.shutil, "which", lambda name: f"/usr/bin/{name}")
    return fake


DOCUMENTS = [{"kind": "JoinConfiguration", "discovery": {"tlsBootstrapToken": "abcdef.0123456789abcdef"}}]


def test_returns_what_it_printed(systemd):
    assert kubeadm_unit.run(["join"], DOCUMENTS, 5).startswith("[preflight] Running")


def test_its_input_is_for_root_only(systemd, tmp_path):
    kubeadm_unit.run(["join"], DOCUMENTS, 5, {"discovery.conf": "ca"})
    assert (tmp_path / "input").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "input").iterdir()} == {0o600}


def test_no_secret_is_on_its_command_line(systemd):
    kubeadm_unit.run(["join"], DOCUMENTS, 5)
    assert not any("abcdef" in word for words in systemd.calls for word in words)


def test_its_input_goes_away_however_it_ends(systemd, tmp_path):
    kubeadm_unit.run(["join"], DOCUMENTS, 5)
    removal = f"/usr/bin/rm -rf {tmp_path}/input"
    assert f"--property=ExecStartPost={removal}" in systemd.started()
    assert f"--property=ExecStopPost={removal}" in systemd.started()


def test_a_failure_has_its_last_useful_lines_and_no_token(systemd):
    systemd.ends = "failed"
    with pytest.raises(KubeadmError) as caught:
        kubeadm_unit.run(["join"], DOCUMENTS, 5)
    said = str(caught.value)
    assert said.endswith("[preflight] Running pre-flight checks\nerror: token (token) is not valid")
    assert "kubeadm-join.log" in said


def test_only_one_at_a_time(systemd, monkeypatch):
    found = {"verb": "join", "pid": 4711, "since": 1_800_000_000.0, "ours": True}
    monkeypatch.setattr(kubeadm_unit.processes, "kubeadm", lambda: found)
    with pytest.raises(
        KubeadmError, match=r"kubeadm join is running since 2027-01-15 08:00:00 UTC, pid 4711: wait"
    ):
        kubeadm_unit.run(["join"], DOCUMENTS, 5)
    assert not any(words[0] == "systemd-run" for words in systemd.calls)


def test_somebodys_own_kubeadm_counts_too(systemd, monkeypatch):
    found = {"verb": "reset", "pid": 4711, "since": 1_800_000_000.0, "ours": False}
    monkeypatch.setattr(kubeadm_unit.processes, "kubeadm", lambda: found)
    with pytest.raises(KubeadmError, match="which somebody started by hand"):
        kubeadm_unit.refuse_if_running()


def test_one_that_is_starting_counts_too(systemd):
    systemd.state = "activating"
    with pytest.raises(KubeadmError, match="kubeadm join is starting or ending"):
        kubeadm_unit.run(["join"], DOCUMENTS, 5)
    assert not any(words[:2] == ("systemctl", "stop") for words in systemd.calls)


def test_its_input_goes_away_if_it_cannot_start(systemd, tmp_path, monkeypatch):
    def output(*words, **_):
        if words[0] == "systemd-run":
            raise RuntimeError("systemd-run failed with status 1: Failed to connect to bus")
        return systemd.output(*words)

    monkeypatch.setattr(kubeadm_unit.command, "output", output)
    with pytest.raises(KubeadmError, match=r"could not start kubeadm join: .*Failed to connect to bus"):
        kubeadm_unit.run(["join"], DOCUMENTS, 5)
    assert not (tmp_path / "input").exists()


def test_a_wait_has_an_end(systemd):
    systemd.state, systemd.ends = "activating", "activating"
    with pytest.raises(KubeadmError, match="kubeadm join is still running after 0 s and goes on"):
        kubeadm_unit.wait(0.01)


def test_what_became_of_it_is_known_afterwards(systemd):
    systemd.ends = "failed"
    with pytest.raises(KubeadmError):
        kubeadm_unit.run(["join"], DOCUMENTS, 5)
    outcome = kubeadm_unit.wait(1)
    assert (outcome.verb, outcome.ok) == ("join", False)


def test_nothing_is_known_of_none(systemd):
    assert kubeadm_unit.wait(1) is None
