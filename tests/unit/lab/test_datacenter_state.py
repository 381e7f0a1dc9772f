"""What is up is remembered, and whose it is."""

from pathlib import Path

import pytest
import yaml
from datacenter import layout, state
from datacenter.errors import LabError
from test_datacenter_layout import MINIMAL

NEW = layout.Server("dc1-w-1", "dc1", "10.11.0.21", pending=True)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "CURRENT_LAYOUT", tmp_path / "state" / "layout.yaml")
    monkeypatch.setattr(state, "RUNTIME", tmp_path / "run")
    monkeypatch.setattr(state, "OWNER", tmp_path / "run" / "lab" / "owner")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "lab.yaml"
    found.write_text(yaml.safe_dump(MINIMAL))
    return found


def test_nothing_up_says_how_to_begin() -> None:
    with pytest.raises(LabError, match="lab/dc up demo"):
        state.current_layout()


def test_added_servers_stay_with_the_layout(file: Path) -> None:
    state.save_layout(file)
    assert state.add_server(NEW).servers["dc1-w-1"] == NEW
    state.save_layout(file)
    assert state.current_layout().servers["dc1-w-1"] == NEW


def test_another_layout_is_refused_while_one_is_up(file: Path) -> None:
    state.save_layout(file)
    with pytest.raises(LabError, match=f"{file}.*lab/dc down"):
        state.save_layout(file.with_name("other.yaml"))


def test_lab_of_another_checkout_is_refused_by_name(tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "lab").mkdir(parents=True)
    (other / "lab" / "dc").touch()
    state.claim()
    state.OWNER.write_text(str(other))
    with pytest.raises(LabError, match=f"belongs to the checkout {other}"):
        state.claim()


def test_lab_of_a_checkout_that_is_gone_is_anyones(tmp_path: Path) -> None:
    state.claim()
    state.OWNER.write_text(str(tmp_path / "gone"))
    state.claim()


def test_release_forgets_everything(file: Path) -> None:
    state.claim()
    state.save_layout(file)
    state.release()
    assert not state.RUNTIME.exists()
    assert not state.CURRENT_LAYOUT.exists()
