"""The lab does to servers what it says, and leaves nothing behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_session import ROOT, Lab, wait_until

SERVER = "dc1-cp-1"
# Not the lab that a person may have up.
NAME = "labitself"
RUNTIME = Path("/run/lab-datacenters")
MASTER_ADDRESS = "10.10.0.10"
LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
# Eight programs that have threads and become another one without end; a large environment takes exec long.
BECOMING = """
import os, sys, threading, time
if "0" not in os.environ:
    any(os.fork() == 0 for _ in range(7))
for _ in range(5):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
os.execve(sys.executable, sys.orig_argv, {str(name): "x" * 120000 for name in range(12)})
"""


@pytest.fixture(scope="module")
def built(built: Lab) -> Lab:
    return built.named(NAME)


@pytest.fixture(scope="module")
def one(built: Lab) -> Iterator[Lab]:
    """One bare server beside the master and the mirror."""
    built("down")
    built("up", "one")
    yield built
    built("down")


def answers(lab: Lab, server: str = SERVER) -> bool:
    return lab("salt", server, "test.ping", "--timeout=2", check=False).returncode == 0


def reaches(lab: Lab, address: str) -> bool:
    words = ("ping", "-c1", "-W1", address)
    return lab("exec", SERVER, "--", *words, check=False).returncode == 0


def condition(lab: Lab) -> str:
    rows = [line.split() for line in lab("status").stdout.splitlines()]
    return next(row[1] for row in rows if row[0] == SERVER)


def boot(lab: Lab) -> str:
    return lab("exec", SERVER, "--", "cat", "/proc/sys/kernel/random/boot_id").stdout


def traces() -> dict[str, list[str]]:
    """Everything on this machine that a lab could leave."""
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{NAME}*")]
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return {
        "mounts": [line for line in lines("/proc/self/mountinfo") if NAME in line],
        "links": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "network namespaces": [NAME for line in shell("ip", "netns").splitlines() if line.split()[0] == NAME],
        "control groups": groups,
        "servers": [command.decode() for command in commands if f"/{NAME}/".encode() in command],
        "rules": shell("nft", "list", "ruleset").splitlines(),
        "runtime files": [str(path) for path in Path("/run").glob(f"**/*{NAME}*")],
    }


def lines(file: str | Path) -> list[str]:
    return Path(file).read_text().splitlines()


def shell(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_up_again_starts_only_what_is_missing(one: Lab) -> None:
    before = boot(one)
    said = one("up", "one")
    assert "booting nothing" in said.stderr
    assert boot(one) == before


def test_exec_passes_input_output_and_status(one: Lab) -> None:
    words = ("sh", "-c", "cat; echo failed >&2; exit 7")
    done = one("exec", SERVER, "--", *words, given="through", check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("through", "failed\n", 7)


def test_power_cut_keeps_the_disk_and_ends_every_process(one: Lab) -> None:
    container = "/sys/fs/cgroup/pids/kubepods/pod/container"  # what a kubelet takes for one that runs
    one("exec", SERVER, "--", "sh", "-euc", f"echo kept > /root/file; sync; mkdir -p {container}")
    began = time.monotonic()
    one("kill", SERVER)
    assert time.monotonic() - began < 5
    assert condition(one) == "off"
    groups = Path(f"/sys/fs/cgroup/freezer/{NAME}/{SERVER}").glob("**/cgroup.procs")
    assert not [pid for group in groups for pid in lines(group)]
    one("start", SERVER)
    assert one("exec", SERVER, "--", "cat", "/root/file").stdout == "kept\n"
    assert one("exec", SERVER, "--", "test", "-e", container, check=False).returncode == 1
    wait_until(f"{SERVER} answers Salt after its power cut", lambda: answers(one), 60)


def test_a_reinstalled_server_has_a_new_disk(one: Lab) -> None:
    machine_id = one("exec", SERVER, "--", "cat", "/etc/machine-id").stdout
    one("exec", SERVER, "--", "touch", "/root/file")
    one("reinstall", SERVER)
    assert one("exec", SERVER, "--", "test", "-e", "/root/file", check=False).returncode == 1
    assert one("exec", SERVER, "--", "cat", "/etc/machine-id").stdout != machine_id
    assert answers(one)


def test_stop_and_start(one: Lab) -> None:
    before = boot(one)
    one("stop", SERVER)
    assert condition(one) == "off"
    one("start", SERVER)
    assert boot(one) != before


def test_a_server_can_reboot_itself(one: Lab) -> None:
    before = boot(one)
    one("exec", SERVER, "--", "systemctl", "reboot", check=False)
    wait_until("another boot", lambda: rebooted(one, before), 60)
    wait_until(f"{SERVER} answers Salt after its reboot", lambda: answers(one), 60)


def rebooted(lab: Lab, before: str) -> bool:
    now = lab("exec", SERVER, "--", "cat", "/proc/sys/kernel/random/boot_id", check=False)
    return now.returncode == 0 and now.stdout != before


def test_frozen_server_is_silent_until_thawed(one: Lab) -> None:
    wait_until(f"{SERVER} answers Salt", lambda: answers(one), 60)
    one("freeze", SERVER)
    assert condition(one) == "frozen"
    assert not answers(one)
    refused = one("exec", SERVER, "--", "true", check=False)
    assert "lab/dc thaw" in refused.stderr
    one("thaw", SERVER)
    assert answers(one)


def test_a_server_freezes_whatever_its_programs_become(one: Lab) -> None:
    python = ("/opt/saltstack/salt/bin/python3", "-S", "-c", BECOMING)
    one("exec", SERVER, "--", "systemd-run", "--quiet", "--unit=becoming", *python)
    try:
        wait_until("all of them", lambda: len(one.processes(SERVER, "sys.orig_argv")) == 8, 30)
        for _ in range(3):
            one("freeze", SERVER)
            one("thaw", SERVER)
    finally:
        one("exec", SERVER, "--", "systemctl", "kill", "--signal=KILL", "becoming")


@pytest.mark.parametrize("sides", [(SERVER, "master"), ("dc1", "hub"), (SERVER, "hub"), ("mirror", "master")])
def test_cut_and_heal(one: Lab, sides: tuple[str, str]) -> None:
    one("cut", *sides)
    cut_off = SERVER in sides or "dc1" in sides
    assert reaches(one, MASTER_ADDRESS) != cut_off
    mirror = one("exec", "mirror", "--", "ping", "-c1", "-W1", MASTER_ADDRESS, check=False)
    assert (mirror.returncode == 0) == ("mirror" not in sides)
    assert "does not hear" in one("status").stdout
    one("heal")
    assert reaches(one, MASTER_ADDRESS)
    assert "does not hear" not in one("status").stdout


def test_added_server_joins_and_is_known_to_all(one: Lab) -> None:
    one("add", "dc1-w-9", "--datacenter", "dc1", "--address", "10.11.0.29", "--role", "worker")
    assert answers(one, "dc1-w-9")
    assert "10.11.0.29" in one("exec", SERVER, "--", "getent", "hosts", "dc1-w-9").stdout


def test_pending_server_waits_for_its_key_to_be_accepted(one: Lab) -> None:
    one("add", "dc1-w-8", "--datacenter", "dc1", "--address", "10.11.0.28", "--pending")

    def is_waiting() -> bool:
        return "dc1-w-8" in one("salt-key", "--list=unaccepted").stdout

    wait_until("the key to be shown as unaccepted", is_waiting, 60)
    one("salt-key", "--yes", "--accept=dc1-w-8")
    wait_until("the accepted server to answer", lambda: answers(one, "dc1-w-8"), 60)


def test_a_server_cannot_change_the_machines_kernel_settings(one: Lab) -> None:
    before = lines("/proc/sys/vm/overcommit_memory")
    one("exec", SERVER, "--", "sh", "-c", "echo 1 > /proc/sys/vm/overcommit_memory")
    assert one("exec", SERVER, "--", "cat", "/proc/sys/vm/overcommit_memory").stdout == "1\n"
    assert lines("/proc/sys/vm/overcommit_memory") == before


def test_down_leaves_nothing(built: Lab) -> None:
    built("down")
    before = traces()
    built("up", "one")
    built("cut", SERVER, "master")
    built("freeze", SERVER)
    built("down")
    wait_until("the kernel to let go of the namespaces", lambda: traces() == before, 10)


def test_down_needs_no_state_files(built: Lab) -> None:
    built("down")
    before = traces()
    built("up", "one")
    (ROOT / "build/lab" / NAME / "layout.yaml").unlink()
    shutil.rmtree(RUNTIME / NAME)
    built("down")
    assert traces() == before


def test_limits_are_raised_while_a_lab_is_up_and_put_back_after_the_last(built: Lab) -> None:
    built("down")
    if [*RUNTIME.glob("*/owner")]:
        pytest.skip("a lab of another name is up and needs the limits")
    before = LIMIT.read_text()
    built("up", "one")
    assert int(LIMIT.read_text()) > int(before)
    built("down")
    assert LIMIT.read_text() == before


@pytest.mark.parametrize("seconds", [0.5, 1.5, 4.0])
def test_up_and_down_after_a_killed_up(built: Lab, seconds: float) -> None:
    built("down")
    before = traces()
    kill_up_after(built, seconds)
    built("up", "one")
    assert answers(built)
    built("down")
    kill_up_after(built, seconds)
    built("down")
    wait_until("the kernel to let go of the namespaces", lambda: traces() == before, 10)


def kill_up_after(lab: Lab, seconds: float) -> None:
    up = lab.start("up", "one")
    time.sleep(seconds)
    up.send_signal(signal.SIGKILL)
    up.wait()
