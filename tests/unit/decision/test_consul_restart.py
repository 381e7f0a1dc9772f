"""A Consul server is restarted only while all others are well."""

import pytest

from k8s_lifecycle.decision import consul_restart

VOTERS = ["s-1", "s-2", "s-3"]
WELL = {"leader": "s-1", "voters": VOTERS, "healthy": True, "due": []}


def looks(**changes):
    return {server: {**WELL, **changes.get(server.replace("-", "_"), {})} for server in VOTERS}


@pytest.mark.parametrize(
    ("found", "silent", "said"),
    [
        (looks(), {}, []),
        (looks(), {"s-4": "no answer"}, ["s-4 could not be asked: no answer"]),
        (looks(s_2={"leader": None}), {}, ["s-2 knows no leader"]),
        (looks(s_2={"voters": ["s-1", "s-2"]}), {}, ["to s-2, s-3 is no voter"]),
        (looks(s_3={"healthy": False}), {}, ["to s-3, not all Consul servers are well"]),
    ],
)
def test_what_is_not_well_is_a_reason_not_to(found, silent, said):
    assert consul_restart.refusals(found, silent)[: len(said) or None] == said


def test_the_leader_is_last_also_where_they_do_not_agree_who_it_is():
    due = {"due": ["/usr/bin/consul"]}
    assert consul_restart.order(looks(s_1=due, s_3=due), everyone=False) == ["s-3", "s-1"]
    assert consul_restart.order(looks(s_2=due | {"leader": "s-2"}), everyone=True) == ["s-3", "s-1", "s-2"]
    assert consul_restart.order(looks(), everyone=False) == []
