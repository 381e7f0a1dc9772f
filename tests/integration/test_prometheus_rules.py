"""The rules, by Debian's promtool: their own tests, each alert among them, fired and silent."""

from __future__ import annotations

import subprocess
from pathlib import Path

import promql
import pytest
import yaml
from debian_binary import debian_binary

TESTS = sorted((Path(__file__).parent / "rules").glob("*.yml"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    promtool = debian_binary("prometheus", "promtool")
    done = subprocess.run(
        [promtool, "test", "rules", path.name], cwd=path.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested() -> None:
    tested = {
        one["alertname"]
        for path in TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for one in test.get("alert_rule_test", [])
        if one["exp_alerts"]
    }
    assert tested == {rule["alert"] for rule in promql.rules() if "alert" in rule}
