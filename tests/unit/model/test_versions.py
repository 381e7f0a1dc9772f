"""Versions: what is one, and their order."""

import pytest

from k8s_lifecycle.model.versions import Version


def version(text):
    return Version.parse(text)


@pytest.mark.parametrize("text", ["1.37", "1.37.x", "1.37.2-rc.1", "01.37.2", "", "1.37.2\n", "v1"])
def test_what_is_no_version(text):
    with pytest.raises(ValueError, match="is not a version"):
        Version.parse(text)


def test_order_and_text():
    assert version("1.9.10") < version("1.10.9") < version("v1.37.2") < version("1.37.10")
    assert str(version("v1.37.2")) == "1.37.2"
    assert version("1.37.2").line == "1.37"


def test_supported_range():
    assert not version("1.33.9").supported
    assert version("1.34.0").supported
    assert not version("2.0.0").supported
