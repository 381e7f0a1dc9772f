"""Versions: what may meet in one cluster and how to get from one to another."""

import pytest

from k8s_lifecycle.model.versions import Version, control_plane_skew, kubelet_skew, upgrade_objection


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


@pytest.mark.parametrize(
    ("kubelet", "apiserver", "allowed"),
    [
        ("1.37.2", "1.37.2", True),
        ("1.34.0", "1.37.2", True),
        ("1.33.9", "1.37.2", False),
        ("1.38.0", "1.37.2", False),
        ("1.37.3", "1.37.2", False),
    ],
)
def test_kubelet_skew(kubelet, apiserver, allowed):
    assert (kubelet_skew(version(kubelet), version(apiserver)) is None) is allowed


@pytest.mark.parametrize(
    ("versions", "allowed"),
    [
        ([], True),
        (["1.37.2"], True),
        (["1.36.3", "1.37.2", "1.37.0"], True),
        (["1.35.9", "1.36.0", "1.37.2"], False),
    ],
)
def test_control_plane_skew(versions, allowed):
    assert (control_plane_skew(map(version, versions)) is None) is allowed


@pytest.mark.parametrize(
    ("current", "target", "objection"),
    [
        ("1.36.3", "1.37.2", None),
        ("1.37.0", "1.37.2", None),
        ("1.37.2", "1.37.2", None),
        ("1.37.2", "1.37.1", "1.37.1 is older than the running 1.37.2: Kubernetes cannot be downgraded"),
        ("1.35.1", "1.37.2", "1.37.2 skips minors: from 1.35.1 kubeadm goes to a 1.36 first"),
    ],
)
def test_upgrade_objection(current, target, objection):
    assert upgrade_objection(version(current), version(target)) == objection
