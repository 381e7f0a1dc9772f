"""Which metrics the rules use, read from their expressions."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

RULES = Path(__file__).parents[1] / "states/k8s/files/prometheus"
# What metrics begin with that clusters show.
CLUSTERS = ("apiserver_", "coredns_", "etcd_")
_STRINGS = r'"(?:\\.|[^"\\])*"'
_MATCHERS, _RANGES = r"\{[^}]*\}", r"\[[^\]]*\]"
_LABELS = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
_NAME = r"(?<![\w.:])[A-Za-z_:][\w:]*(?![\w:]|\s*\()"
_WORDS = {"and", "or", "unless", "bool", "offset"}


def metrics(expression: str) -> set[str]:
    """The names of metrics in an expression: what is no string, label, function or word of the language."""
    for pattern in (_STRINGS, _MATCHERS, _RANGES, _LABELS):
        expression = re.sub(pattern, " ", expression)
    return set(re.findall(_NAME, expression)) - _WORDS


def rules() -> Iterator[dict[str, str]]:
    for file in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


def used() -> set[str]:
    """All that the rules use and do not record themselves."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    return set().union(*(metrics(rule["expr"]) for rule in rules())) - recorded
