"""What a dpkg that was cut off leaves, as the real dpkg-query reads it."""

import pytest

from k8s_lifecycle.server import dpkg

STANZA = "Package: {}\nStatus: {}\nMaintainer: nobody\nArchitecture: amd64\nVersion: 1\nDescription: none\n\n"


@pytest.fixture
def admin(tmp_path):
    """An empty dpkg database."""
    for directory in ("info", "updates", "triggers"):
        (tmp_path / directory).mkdir()
    (tmp_path / "status").touch()
    return tmp_path


def write(admin, **packages):
    text = "".join(STANZA.format(name, status) for name, status in packages.items())
    (admin / "status").write_text(text)


def test_nothing_is_half_way_where_all_is_installed_held_or_removed(admin):
    write(admin, one="install ok installed", two="hold ok installed", three="deinstall ok config-files")
    assert dpkg.half_way(admin) == {}


@pytest.mark.parametrize("state", ["unpacked", "half-configured", "half-installed"])
def test_a_package_that_did_not_get_to_its_end_is_half_way(admin, state):
    write(admin, kubelet=f"install ok {state}", kubeadm="install ok installed")
    assert dpkg.half_way(admin) == {"kubelet": state}


def test_so_is_one_that_has_to_be_installed_again(admin):
    write(admin, kubelet="install reinstreq installed")
    assert dpkg.half_way(admin) == {"kubelet": "installed"}


def test_and_dpkg_itself_where_its_account_is_not_written_up(admin):
    update = STANZA.format("kubelet", "install ok installed")
    (admin / "updates/0000").write_text(update.rstrip("\n") + "\n")
    assert dpkg.half_way(admin) == {"dpkg": "cut off"}
