"""Where the page of the inventory is written."""

import getpass

import pytest

from k8s_lifecycle.action.inventory import write
from k8s_lifecycle.action.run import Failure


def test_it_replaces_the_page_whole(tmp_path):
    there = tmp_path / "inventory.html"
    there.write_text("old")
    write(there, "new")
    assert there.read_text() == "new"
    assert list(tmp_path.iterdir()) == [there]


@pytest.mark.parametrize("path", ["none/page.html", "there"])
def test_where_it_cannot_be_nothing_is_left(tmp_path, path):
    (tmp_path / "there").mkdir()
    with pytest.raises(Failure, match=f"`install -d -o {getpass.getuser()} {(tmp_path / path).parent}`"):
        write(tmp_path / path, "new")
    assert [one.name for one in tmp_path.iterdir()] == ["there"]
