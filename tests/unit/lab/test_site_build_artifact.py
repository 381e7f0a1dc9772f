"""An artifact is made once, whole or not at all."""

from pathlib import Path

import pytest
from site_build.artifact import Artifact


def ignore(_message: str) -> None:
    pass


def write(text: str):
    return lambda target: (target / "file").write_text(text)


def test_it_is_made_once(tmp_path: Path) -> None:
    said: list[str] = []
    artifact = Artifact(tmp_path / "kind" / "name", "digest")
    artifact.make(write("first"), said.append)
    artifact.make(write("second"), said.append)
    assert (artifact.path / "file").read_text() == "first"
    assert [line.partition(" made in ")[0] for line in said] == ["kind/name: making it", "kind/name:"]


def test_other_inputs_replace_it(tmp_path: Path) -> None:
    Artifact(tmp_path / "name", "old").make(write("old"), ignore)
    new = Artifact(tmp_path / "name", "new").make(write("new"), ignore)
    assert (new.path / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    def fail(target: Path) -> None:
        (target / "file").write_text("half")
        raise RuntimeError

    old = Artifact(tmp_path / "name", "old").make(write("old"), ignore)
    new = Artifact(tmp_path / "name", "new")
    with pytest.raises(RuntimeError):
        new.make(fail, ignore)
    assert not new.finished
    assert (old.path / "file").read_text() == "old"
    assert new.make(write("new"), ignore).finished


def test_a_directory_without_its_mark_is_not_finished(tmp_path: Path) -> None:
    artifact = Artifact(tmp_path / "name", "digest")
    artifact.path.mkdir()
    assert not artifact.finished
    assert artifact.make(write("whole"), ignore).finished
