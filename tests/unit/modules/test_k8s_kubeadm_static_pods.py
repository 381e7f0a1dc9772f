"""What a component said that did not come up: the first one that others wait for."""

import os

import pytest
import yaml

from k8s_lifecycle.server import remains, static_pods
from k8s_lifecycle.server.kubeadm_unit import KubeadmError


@pytest.fixture
def pods(tmp_path, monkeypatch):
    """A control plane whose components write these logs; etcd alone is healthy."""
    monkeypatch.setattr(remains, "ROOT", tmp_path)
    monkeypatch.setattr(static_pods, "LOGS", tmp_path / "pods")
    monkeypatch.setattr(static_pods, "healthy", lambda component: component == "etcd")
    (tmp_path / "manifests").mkdir()
    for component in static_pods.HEALTH:
        (tmp_path / f"manifests/{component}.yaml").touch()
    return tmp_path / "pods"


def log(pods, component, attempt, *lines):
    path = pods / f"kube-system_{component}-dc1-cp-1_0123/{component}/{attempt}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"2026-11-30T06:00:00.1Z stderr F {line}\n" for line in lines))
    os.utime(path, (attempt, attempt))


def test_the_first_that_is_not_healthy_is_told_with_the_end_of_its_newest_log(pods):
    log(pods, "kube-apiserver", 9, "I1130 06:00:00 it begins", "Error: unknown flag: --no-such-flag")
    log(pods, "kube-apiserver", 8, "what it said before")
    log(pods, "kube-scheduler", 9, "dial tcp 10.0.0.1:6443: connection refused")
    assert static_pods.last_words() == (
        "kube-apiserver is not healthy; it last said:\nError: unknown flag: --no-such-flag"
    )


def test_one_that_never_ran_is_told(pods):
    assert "nothing: look at `crictl ps -a`" in static_pods.last_words()


def test_a_worker_has_none(pods):
    for manifest in (remains.ROOT / "manifests").iterdir():
        manifest.unlink()
    assert static_pods.last_words() == ""


def test_only_who_waits_for_them_hears_of_them(pods):
    def failed(waited):
        with pytest.raises(KubeadmError) as caught, static_pods.heard(waited=waited):
            raise KubeadmError("kubeadm init failed")
        return str(caught.value)

    assert failed(waited=False) == "kubeadm init failed"
    assert failed(waited=True).startswith("kubeadm init failed\nkube-apiserver is not healthy")


def test_a_flag_with_another_value_is_told(pods):
    command = ["kube-apiserver", "--service-cluster-ip-range=10.96.0.0/12"]
    manifest = {"spec": {"containers": [{"command": command}]}}
    (remains.ROOT / "manifests/kube-apiserver.yaml").write_text(yaml.safe_dump(manifest))
    services = "kube-apiserver --service-cluster-ip-range"
    assert static_pods.differences({services: "10.96.0.0/12", "etcd --data-dir": "/x"}) == []
    assert static_pods.differences({services: "10.97.0.0/16"}) == [services]
