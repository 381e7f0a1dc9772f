"""Clusters that others run: files that can be used, and what is told of those that cannot."""

import pytest

from k8s_lifecycle.model.external import load

SOUND = """
datacenter: europe-west1
environment: prod
provider: GKE
owner: shop team
endpoint: https://203.0.113.7
access: {minion: dc1-cp-1, kubeconfig: /etc/gke.conf}
"""


@pytest.fixture
def written(tmp_path):
    """A function that writes files beside the specs, and loads them."""

    def write(taken=(), **texts):
        (tmp_path / "external").mkdir(exist_ok=True)
        for name, text in texts.items():
            (tmp_path / "external" / f"{name}.yaml").write_text(text)
        return load(tmp_path, taken)

    return write


def test_one_that_can_be_used(written):
    found = written(gke=SOUND)
    assert not found.problems
    assert found.clusters["gke"].access.kubeconfig == "/etc/gke.conf"
    assert (found.clusters["gke"].name, found.clusters["gke"].version) == ("gke", None)


def test_a_site_without_any(tmp_path):
    assert load(tmp_path).clusters == {}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ("owner: shop team\n", ""),
            "owner: missing — write one line of text such as GKE (at",
        ),
        (
            ("https://", "http://"),
            "endpoint: 'http://203.0.113.7' is not a URL that starts with https",
        ),
        (
            ("https://", "https://user:word@"),
            "has a user or password in it, and a spec is no place",
        ),
        (
            ("/etc/gke.conf", "~/.kube/config"),
            "access.kubeconfig: '~/.kube/config' is not an absolute path",
        ),
        (("minion: dc1-cp-1,", ""), "external/gke.yaml: access.minion: missing — write a minion id such as"),
        (("provider:", "provder:"), "external/gke.yaml: provder: unknown key — did you mean 'provider'?"),
        (("environment: prod", "environment: [prod"), "external/gke.yaml:4: while parsing a flow sequence"),
        (("owner: shop team", "owner: [ada]"), "external/gke.yaml: owner: a list is a list, not text"),
        (
            ("datacenter:", "name: other\ndatacenter:"),
            "name: 'other' is not the name of the file — write gke",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_remedy(written, change, problem):
    found = written(gke=SOUND.replace(*change), other=SOUND)
    assert list(found.clusters) == ["other"]
    assert problem in str(found.problems[0])
    assert str(found.problems[0]).startswith("external/gke.yaml:")
    assert found.problems[0].clusters == ("gke",)


def test_a_name_that_a_spec_has(written):
    found = written(taken=["gke"], gke=SOUND)
    assert str(found.problems[0]) == (
        "external/gke.yaml: name: 'gke' has a spec, too — rename one of the two files"
    )


def test_select(written):
    found = written(gke=SOUND, eks=SOUND.replace("europe-west1", "us-east1"))
    assert [one.name for one in found.select()] == ["eks", "gke"]
    assert [one.name for one in found.select(datacenter="us-east1")] == ["eks"]
    assert found.select(cluster="gke", environment="staging") == []
