"""The dashboards of Grafana, and what they ask Prometheus."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql

FILES = sorted((Path(__file__).parents[1] / "states/k8s/files/grafana").glob("*.json"))
_OF_VARIABLE = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


def all_dashboards() -> dict[str, dict[str, Any]]:
    """Each by its name."""
    return {file.stem: json.loads(file.read_text()) for file in FILES}


def variables(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What each variable selects that has its values from Prometheus, with the label that it takes of it."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = _OF_VARIABLE.fullmatch(variable["query"]["query"])
            assert found, variable
            yield found["label"], found["selector"]


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The expressions of a dashboard, as they stand there, each with the title of its panel."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def used() -> set[str]:
    """All metrics that dashboards ask for."""
    asked = (asks for one in all_dashboards().values() for _, asks in (*queries(one), *variables(one)))
    return set().union(*map(promql.metrics, asked))


def chosen(expression: str, **values: str) -> str:
    """An expression as Grafana asks it, with these values of variables; all of each other one."""
    given = {"__rate_interval": "1m", **values}
    return re.sub(r"\$(\w+)", lambda found: given.get(found[1], ".*"), expression)
