"""The states of what Prometheus asks clusters with, on files."""

import pytest
import state_module
from salt.exceptions import CommandExecutionError

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import datacenters
from k8s_lifecycle.model.cluster_metrics import Cluster
from k8s_lifecycle.server import metrics_proxy, prometheus_credentials

SPEC = {"name": "dc1", "servers": ["*"]}


@pytest.fixture
def state(monkeypatch, tmp_path):
    """A function that calls the state on a Prometheus server with these clusters."""
    for name in ("missing", "prepare"):
        monkeypatch.setattr(getattr(prometheus_credentials, name), "__defaults__", (tmp_path,))

    def call(*clusters, test=False, ask=lambda: []):
        module = state_module.load("k8s_prometheus", {"k8s_prometheus.ask": ask})
        module.__opts__ = {"id": "mon-1", "test": test}
        asked = tuple(Cluster(name, "prod", "10.0.0.1:8443") for name in clusters)
        return module.credentials("x", datacenters.Place(datacenters.from_dict(SPEC), {}, asked).to_dict())

    return call


def test_what_is_missing_is_made_once_and_asked_for(state):
    done = state("a", ask=lambda: ["a"])
    made = {"old": None, "new": "made"}
    assert (done["result"], done["changes"]) == (True, {"a.ca": made, "a.crt": made, "client.key": made})
    assert done["comment"] == "asked for certificates of a"
    again = state("a")
    assert (again["result"], again["changes"]) == (True, {})


def test_of_a_cluster_that_is_gone_nothing_is_left(state, tmp_path):
    state("a", "b")
    gone = {"old": "there", "new": None}
    assert state("b")["changes"] == {"a.ca": gone, "a.crt": gone}
    assert {path.stem for path in tmp_path.iterdir()} == {"client", "b"}


def test_in_test_mode_nothing_is_made_nor_asked(state, tmp_path):
    done = state("a", test=True, ask=None)
    assert (done["result"], set(done["changes"])) == (None, {"a.ca", "a.crt", "client.key"})
    assert list(tmp_path.iterdir()) == []


def test_it_fails_where_it_cannot_ask(state):
    def fails():
        raise CommandExecutionError("the event that asks could not be sent")

    done = state("a", ask=fails)
    assert (done["result"], done["comment"]) == (False, "the event that asks could not be sent")


@pytest.fixture
def proxy(monkeypatch):
    """A function that calls the state on a control plane on which this is wrong with the certificate."""

    def call(wrong, make, test=False):
        found = [wrong]
        monkeypatch.setattr(metrics_proxy, "wrong", lambda: found[0])
        monkeypatch.setattr(metrics_proxy, "make", lambda: found.__setitem__(0, make()))
        module = state_module.load("k8s_pki", {})
        module.__opts__ = {"id": "cp-1", "test": test}
        return module.metrics_proxy_certificate("x")

    return call


def test_the_certificate_of_the_proxy_is_made_when_it_is_not_good(proxy):
    done = proxy("expires soon", lambda: "")
    assert (done["result"], done["changes"]) == (
        True,
        {"certificate": {"old": "expires soon", "new": "made"}},
    )
    good = proxy("", None)
    assert (good["result"], good["changes"]) == (True, {})
    would = proxy("none", None, test=True)
    assert (would["result"], set(would["changes"])) == (None, {"certificate"})


def test_it_fails_where_it_cannot_be_made(proxy):
    def refuses():
        raise HostError("the CA has no key on this server")

    assert proxy("none", refuses)["comment"] == "the CA has no key on this server"
    assert proxy("none", lambda: "torn")["result"] is False
