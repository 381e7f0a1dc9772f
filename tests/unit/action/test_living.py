"""A run shows that it lives by a lock that ends with its process, however that ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from k8s_lifecycle.action import living

# What runs in the background may have been started without the interrupt.
LIVE = """
import signal, sys, time
from pathlib import Path
from k8s_lifecycle.action import living
signal.signal(signal.SIGINT, signal.default_int_handler)
with living.alive(Path(sys.argv[1]), "run", lambda: True):
    print("alive", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    path = os.pathsep.join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", LIVE, str(tmp_path)], stdout=subprocess.PIPE, env={"PYTHONPATH": path}
    ) as process:
        assert process.stdout.readline() == b"alive\n"
        yield process
        process.kill()


def test_a_run_that_goes_on_is_not_dead(run, tmp_path):
    assert not living.is_dead(tmp_path, "run")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_was_killed_or_interrupted_is_dead(run, tmp_path, how):
    run.send_signal(how)
    run.wait()
    assert living.is_dead(tmp_path, "run")


def test_of_a_run_that_came_to_its_end_nothing_is_left(tmp_path):
    with living.alive(tmp_path, "run", lambda: True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_whose_lock_a_server_may_still_have_is_dead(tmp_path):
    with living.alive(tmp_path, "run", lambda: False):
        pass
    assert living.is_dead(tmp_path, "run")


def test_one_that_ended_with_an_error_is_dead(tmp_path):
    with pytest.raises(ZeroDivisionError), living.alive(tmp_path, "run", lambda: True):
        raise ZeroDivisionError
    assert living.is_dead(tmp_path, "run")


@pytest.mark.parametrize("run", ["another masters", "", "..", "../../etc/passwd"])
def test_nothing_is_known_of_a_run_that_has_no_file_here(tmp_path, run):
    assert not living.is_dead(tmp_path, run)


def test_what_was_cut_off_long_ago_is_forgotten_and_what_lives_is_not(run, tmp_path):
    (tmp_path / "old").touch()
    for name in ("old", "run"):
        os.utime(tmp_path / name, (0, time.time() - 90000))
    with living.alive(tmp_path, "new", lambda: True):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "run"]
