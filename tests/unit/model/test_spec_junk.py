"""Whatever is written at whatever key gives problems, never a crash, and what is accepted is plain data."""

import json

import pytest

from k8s_lifecycle.model.schema import rows
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.model.spec import from_dict, parse

TEXTS = ["", " ", "x" * 300, "ü", "http://[", "http://h:x/", "a..b", "*", "10.0.0.0/-1", "1.2.3\n"]
NUMBERS = [-1, 0, 10**30, 1.5, float("nan"), True]
NESTED = [[], [None], [[]], [{}], {}, {"": None}, {1: 2}, {None: {}}, {"a": {"b": [{"name": 1}]}}]
JUNK = [*TEXTS, *NUMBERS, *NESTED, b"x", object()]
KEYS = sorted({row.path.partition("[]")[0].replace("NAME", "db") for row in rows(Spec)})


@pytest.mark.parametrize("key", KEYS)
def test_junk(change, key):
    for junk in JUNK:
        spec, problems = parse("dc1-prod", change(**{key: junk}))
        assert (spec is None) == bool(problems), junk
        assert all(str(problem).count("\n") == 0 and len(str(problem)) < 1000 for problem in problems), junk
        if spec is not None:
            assert from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(
    "key", ["control_plane.servers", "pools.db.servers", "pools.db.taints", "images.mirrors"]
)
def test_junk_in_a_list_or_mapping(change, key):
    for junk in JUNK:
        for value in ([junk], {"a": junk}, {"a": [junk]}):
            spec, problems = parse("dc1-prod", change(**{key: value}))
            assert (spec is None) == bool(problems), value
