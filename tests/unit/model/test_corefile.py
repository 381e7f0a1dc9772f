"""CoreDNS' Corefile with our server block and without: what others wrote in it stays."""

import pytest

from k8s_lifecycle.model import corefile

# kubeadm's own.
DEFAULT = """.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""
OWN = 'example.org:53 {  # consul:53 {\n    log "}"\n    forward . 10.0.0.1\n}\n'
OURS = "consul:53 {\n    errors\n    forward . 169.254.20.53:8600\n}\n"


@pytest.mark.parametrize("before", [DEFAULT, DEFAULT + OWN, OWN + DEFAULT, DEFAULT.rstrip()])
def test_the_block_comes_once_and_goes_without_a_trace(before):
    there = corefile.wanted(before, True)
    assert there == before.rstrip() + "\n" + OURS
    assert corefile.wanted(there, True) == there
    assert corefile.wanted(there, False).rstrip() == before.rstrip()
    assert corefile.wanted(before, False) == before
    assert not corefile.foreign(there)


@pytest.mark.parametrize(
    "block",
    [
        # As kubeadm's migration writes it, with what an operator added.
        "consul:53 {\n    log\n    forward . 169.254.20.53:8600 {\n        max_fails 3\n    }\n}\n",
        "dns://Consul.:53, other:53 {\n  forward . 169.254.20.53:8600\n}\n",
    ],
)
def test_what_somebody_added_to_it_stays(block):
    assert corefile.wanted(DEFAULT + block + OWN, True) == DEFAULT + block + OWN
    assert corefile.wanted(DEFAULT + block + OWN, False) == DEFAULT + OWN


@pytest.mark.parametrize("head", ["consul:53", "consul", "a.example consul.:53"])
def test_a_block_of_somebody_else_is_left_to_him(head):
    text = f"{DEFAULT}{head} {{\n    forward . 10.0.0.53\n}}\n"
    for forwards in (True, False):
        assert corefile.wanted(text, forwards) == text
    assert corefile.foreign(text)
    assert not corefile.foreign(DEFAULT)
    assert not corefile.foreign(DEFAULT + OWN)
