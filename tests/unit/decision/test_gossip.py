"""A gossip key is used when everybody has it, and the others go when everybody uses it."""

import pytest

from k8s_lifecycle.decision import gossip

DONE = {"key": "a", "members": 3, "have": 3, "use": 3, "others": False, "wan": "uses", "gone": []}
FRESH = {**DONE, "have": 0, "use": 0, "others": True, "wan": "none"}
INSTALLED = {**DONE, "use": 0, "others": True, "wan": "has"}
USED = {**DONE, "others": True}


@pytest.mark.parametrize(
    ("looks", "step"),
    [
        ([DONE, DONE], ""),
        ([FRESH, FRESH], "install"),
        ([INSTALLED, {**INSTALLED, "have": 2}], "install"),
        ([INSTALLED, {**INSTALLED, "wan": "none"}], "install"),
        ([INSTALLED, INSTALLED], "use"),
        ([USED, INSTALLED], "use"),
        ([USED, FRESH], "install"),
        ([USED, {**USED, "use": 2}], "use"),
        ([USED, {**USED, "wan": "has"}], "use"),
        ([USED, USED], "remove"),
        ([DONE, USED], "remove"),
    ],
)
def test_the_slowest_decides(looks, step):
    assert gossip.step({f"s-{number}": look for number, look in enumerate(looks)}) == step


def test_who_would_be_left_behind_is_a_reason_not_to():
    assert gossip.refusals({"s-1": DONE, "s-2": DONE}, {}) == []
    (said,) = gossip.refusals({"s-1": {**DONE, "gone": ["w-1"]}}, {})
    assert said.startswith("w-1 would not get the new key")
    (said,) = gossip.refusals({"s-1": DONE}, {"s-2": "its minion has not answered for 30 s"})
    assert said == "s-2 could not be asked: its minion has not answered for 30 s"
    (said,) = gossip.refusals({"s-1": DONE, "s-2": {**DONE, "key": "b"}}, {})
    assert "different keys in their pillars" in said
