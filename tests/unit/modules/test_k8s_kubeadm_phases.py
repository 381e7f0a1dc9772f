"""Which phases of `kubeadm init` are left, and how kubeadm is told."""

import pytest

from k8s_lifecycle.server import init_phases, remains
from k8s_lifecycle.server.remains import State

NOTHING = dict.fromkeys(init_phases.FILES, State.ABSENT)
ALL = dict.fromkeys(init_phases.FILES, State.WHOLE)


def without(*phases):
    return {**ALL, **dict.fromkeys(phases, State.ABSENT)}


def test_every_file_has_the_phase_that_makes_it():

    assert set(remains.examine(remains.Path("/nonexistent"), remains.Path("/nonexistent"))) == set(
        init_phases.FILES
    )


def test_a_bare_server_begins_with_preflight():
    assert init_phases.files_left(NOTHING, joined=False) == ["preflight", *init_phases.FILES]


def test_nothing_is_left_of_a_whole_one():
    assert init_phases.files_left(ALL, joined=False) == []


def test_preflight_runs_again_until_there_is_a_manifest():
    begun = {**NOTHING, "certs/ca": State.WHOLE, "kubeconfig/admin": State.WHOLE}
    assert init_phases.files_left(begun, joined=False)[0] == "preflight"


def test_preflight_would_object_to_its_own_manifests():
    assert init_phases.files_left(without("control-plane/scheduler"), joined=False) == [
        "control-plane/scheduler"
    ]


def test_a_join_makes_no_super_admin():
    assert init_phases.files_left(without("kubeconfig/super-admin", "certs/etcd-peer"), joined=True) == [
        "certs/etcd-peer"
    ]


def test_a_join_had_its_own_preflight():
    assert init_phases.files_left(NOTHING, joined=True)[0] == "certs/ca"


@pytest.mark.parametrize(
    ("there", "left"),
    [
        (set(init_phases.OBJECTS), []),
        (set(init_phases.OBJECTS) - {"bootstrap-token"}, ["bootstrap-token"]),
        (set(), list(init_phases.OBJECTS)),
    ],
)
def test_what_a_living_api_has_not_is_left(there, left):
    assert init_phases.objects_left(there) == left


def test_an_upload_never_goes_without_the_addons():
    """kubeadm would write 'disabled' into the cluster's configuration, for upgrades to come."""
    left = init_phases.objects_left(set(init_phases.OBJECTS) - {"upload-config/kubeadm"})
    assert set(init_phases.ADDONS) <= set(left)


def test_what_is_to_run_becomes_what_is_skipped():
    flag = init_phases.skipping(["certs/ca", "preflight"])
    skipped = flag.removeprefix("--skip-phases=").split(",")
    assert "certs/ca" not in skipped
    assert "preflight" not in skipped
    assert set(skipped) == set(init_phases.ALL) - {"certs/ca", "preflight"}


def test_certificates_are_never_uploaded_and_no_join_command_is_shown():
    flag = init_phases.skipping(init_phases.ALL)
    assert flag == "--skip-phases=upload-certs,show-join-command"


def test_what_a_site_skips_stays_skipped():
    flag = init_phases.skipping(init_phases.ALL, ["show-join-command", "addon/kube-proxy"])
    assert flag == "--skip-phases=upload-certs,show-join-command,addon/kube-proxy"
