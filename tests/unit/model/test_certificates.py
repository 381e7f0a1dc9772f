"""Which certificates are due, what runs with old ones, and when a maintenance window is open."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.certificates import DAY, Certificate, Pki, is_due, validity
from k8s_lifecycle.model.leaves import seconds
from k8s_lifecycle.model.settings import Maintenance

NOW = 1_800_000_000.0
YEAR = 365 * DAY


def certificate(name="apiserver", left=YEAR, **how):
    how = {"fingerprint": name, **how}
    return Certificate(name, f"/pki/{name}.crt", NOW + left, subject="", issuer="", sans=(), **how)


@pytest.fixture
def spec(change):
    found, problems = specs.parse("dc1-prod", change())
    assert not problems
    return found


@pytest.mark.parametrize(
    ("left", "made_before", "due"),
    [
        (YEAR, NOW, False),  # made in this moment
        (YEAR - 60, NOW, True),
        (YEAR - 60, NOW - 3600, False),
        (YEAR - 7200, NOW - 3600, True),
        (200 * DAY, NOW - YEAR, False),
        (29 * DAY, NOW - YEAR, True),  # it expires soon, whatever its age
        (-DAY, NOW - 2 * YEAR, True),
    ],
)
def test_what_is_due(spec, left, made_before, due):
    assert is_due(certificate(left=left), spec, NOW, made_before) is due


def test_what_is_not_whole_is_due_whatever_its_age(spec):
    assert is_due(certificate(whole=False), spec, NOW)


def test_what_is_made_for_a_short_life_only_is_not_due_at_once(spec):
    short = spec.kubeadm.cluster | {"certificateValidityPeriod": "1h0m0s"}
    spec = replace(spec, kubeadm=replace(spec.kubeadm, cluster=short))
    assert validity(spec) == 3600
    assert not is_due(certificate(left=3500), spec, NOW)
    assert is_due(certificate(left=1100), spec, NOW)


@pytest.mark.parametrize(("text", "value"), [("8760h0m0s", 8760 * 3600), ("1m30s", 90), ("500ms", 0.5)])
def test_durations_as_go_writes_them(text, value):
    assert seconds(text) == value


def pki(started, shown="apiserver"):
    files = (certificate(), certificate("scheduler.conf", written=NOW), certificate("ca", authority=True))
    served = (
        replace(certificate(fingerprint=shown), where="port 6443"),
        replace(certificate(""), where="port 10259"),
    )
    return Pki(files, served, {"kube-scheduler": started})


def test_what_runs_with_a_certificate_from_before_is_stale():
    assert pki(NOW + 5).stale() == []
    assert pki(NOW - 5).stale() == ["kube-scheduler"]
    assert pki(NOW + 5, shown="another").stale() == ["port 6443"]


def test_authorities_and_what_the_kubelet_renews_are_no_leaves_of_ours():
    own = certificate("kubelet-client-current.pem", left=-DAY)
    found = replace(pki(NOW), files=(*pki(NOW).files, own))
    assert [one.name for one in found.leaves] == ["apiserver", "scheduler.conf"]


@pytest.mark.parametrize(
    ("begins", "left", "kubelet", "needs"),
    [
        (-DAY, 300 * DAY, {}, ""),
        (-300 * DAY, -DAY, {}, "has expired"),
        (-96 * DAY, 4 * DAY, {}, "has not renewed"),
        (-89 * DAY, 11 * DAY, {}, ""),
        (-DAY, 300 * DAY, {"bootstrapping": True}, "was to ask"),
        (-DAY, 300 * DAY, {"configured": False}, "no whole credentials"),
        (-DAY, 300 * DAY, {"whole": False}, "no whole credentials"),
    ],
)
def test_what_a_kubelet_cannot_do_by_itself(begins, left, kubelet, needs):
    own = certificate("kubelet-client-current.pem", left=left, begins=NOW + begins)
    said = replace(pki(NOW), files=(own,), kubelet=kubelet).kubelet_needs(NOW)
    assert needs in said
    assert bool(needs) is bool(said)


@pytest.mark.parametrize(
    ("window", "moment", "is_open"),
    [
        ("Sun 02:00-04:00", (2026, 2, 1, 2, 0), True),
        ("Sun 02:00-04:00", (2026, 2, 1, 3, 59), True),
        ("Sun 02:00-04:00", (2026, 2, 1, 4, 0), False),
        ("Sun 02:00-04:00", (2026, 2, 2, 3, 0), False),
        ("Sun 23:00-01:00", (2026, 2, 1, 23, 30), True),
        ("Sun 23:00-01:00", (2026, 2, 2, 0, 30), True),
        ("Sun 23:00-01:00", (2026, 2, 1, 0, 30), False),
    ],
)
def test_when_a_maintenance_window_is_open(window, moment, is_open):
    assert Maintenance(windows=(window,)).is_open(datetime(*moment, tzinfo=UTC)) is is_open


def test_without_a_window_it_is_never_open():
    assert not Maintenance(windows=()).is_open(datetime(2026, 2, 1, tzinfo=UTC))
