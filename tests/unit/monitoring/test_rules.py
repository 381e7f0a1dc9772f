"""Rules and runbooks belong together: each alert has its own, with the parts that one looks for."""

import re
from pathlib import Path

import promql
import pytest

from k8s_lifecycle.model import prometheus as model
from k8s_lifecycle.model.datacenter import JOBS
from k8s_lifecycle.server import prometheus

CHECKOUT = Path(__file__).parents[3]
FILES = sorted((CHECKOUT / "states/k8s/files/prometheus").glob("*.yml"))
RUNBOOKS = CHECKOUT / "docs/runbooks"
RULES = list(promql.rules())
ALERTS = [rule for rule in RULES if "alert" in rule]


def test_all_files_are_laid_out():
    assert sorted([*prometheus.RULES, "central"]) == [file.stem for file in FILES]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_what_to_do(alert):
    assert set(alert["annotations"]) == {"summary", "runbook"}
    assert alert["labels"]["severity"] in ("critical", "warning", "none")
    runbook = CHECKOUT / alert["annotations"]["runbook"]
    assert runbook == RUNBOOKS / f"{alert['alert']}.md"
    lines = runbook.read_text().splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        f"# {alert['alert']}",
        "## Look first",
        "## Then",
    ]


def test_names_are_unique_and_no_runbook_is_left_over():
    names = [rule.get("alert") or rule["record"] for rule in RULES]
    assert len(set(names)) == len(names)
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("job", JOBS)
def test_a_target_that_says_too_much_or_nothing_is_told(job):
    """To Prometheus both are the same: it is down. Of those that rules narrow first, their own tests tell."""
    asked = re.compile(r"(?:up|instance_job:kubernetes_up:node)\{job=~?\"([^\"]+)\"\} == 0")
    told = [jobs for alert in ALERTS for jobs in asked.findall(alert["expr"])]
    assert any(re.fullmatch(jobs, job) for jobs in told)


def test_metrics_are_found_in_expressions():
    found = promql.metrics(
        'sum by (a) (rate(one_total{x="y{"}[5m])) / on (b) group_left () two > 5 * 3600'
        ' or abs(three:max - time()) unless on (instance) label_replace(up == 0, "a", "$1", "b", "(.+)")'
    )
    assert found == {"one_total", "two", "three:max", "up"}
    others = ("up", "node_", "prometheus_", "alertmanager_", "k8s_", "redis_", "mysql_", *promql.CLUSTERS)
    senders = {rule["record"] for rule in model.senders(["dc1"])["groups"][0]["rules"]}
    assert {name for name in promql.used() if not name.startswith(others)} == senders
