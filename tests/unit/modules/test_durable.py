"""Files that others read in part: who may, before they have their name."""

import grp
import stat

import pytest

from k8s_lifecycle.server import durable


def test_a_group_has_its_right_and_nobody_else(tmp_path):
    path = tmp_path / "secret"
    group = grp.getgrgid(tmp_path.stat().st_gid).gr_name
    durable.write(path, "old", 0o640, group)
    found = path.stat()
    assert (stat.S_IMODE(found.st_mode), grp.getgrgid(found.st_gid).gr_name) == (0o640, group)


def test_where_the_group_cannot_be_given_its_right_the_file_is_the_one_of_before(tmp_path):
    path = tmp_path / "secret"
    durable.write(path, "old")
    with pytest.raises(LookupError):
        durable.write(path, "new", 0o640, "no-such-group")
    assert path.read_text() == "old"
