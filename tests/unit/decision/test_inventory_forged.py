"""An inventory of servers that say what they like: nothing breaks, nothing runs, nothing is hidden."""

import csv
import importlib.util
import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fleet_of_many import NOW
from test_inventory import WORKER, Site

from k8s_lifecycle.page.inventory import page

JUNK = [None, True, -1.5, math.nan, math.inf, 10**400, "x" * 10**5, [[]], {"a": {}}, 1e300, 10**18]
OUTPUT = Path(__file__).parents[3] / "_output"
TAGS = "<script>alert(1)</script>"


def outputter(name):
    spec = importlib.util.spec_from_file_location(f"outputter_{name}", OUTPUT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.output


def shown(found):
    """Everything that people and programs get of an inventory, as texts."""
    data = {"view": "inventory", "problems": [], **json.loads(json.dumps(found.to_dict(), allow_nan=False))}
    html = page(found, [], datetime(2027, 1, 15, tzinfo=UTC), "master")
    return {"table": outputter("k8s")(data), "csv": outputter("csv")(data), "page": html}


@pytest.fixture
def site():
    return Site()


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:20])
def test_any_value_in_any_place(site, junk):
    for key in list(site.worker):
        site.worker[key] = junk
    for one in (*site.nodes.values(), site.answers["web-1"]):
        for key in list(one):
            if key != "name":
                one[key] = junk
    found = site.inventory()
    assert {row.server for row in found.rows} >= set(site.keys)
    assert all(WORKER in text for text in shown(found).values())


def test_a_server_that_says_nothing_but_its_name(site):
    site.answers[WORKER] = {"id": WORKER}
    assert [one.kind for one in site.row().drift] == ["code", "highstate"]
    assert all(WORKER in text for text in shown(site.inventory()).values())


def test_another_servers_answer_is_not_changed_by_what_one_says(site):
    site.worker.update(id="dc1-cp-1", grains={"k8s_role": "control-plane", "datacenter": "dc9"})
    rows = {row.server: row for row in site.inventory().rows}
    assert (rows[WORKER].role, rows[WORKER].datacenter) == ("worker", "dc1")
    assert rows["dc1-cp-1"].role == "control-plane"
    assert not rows["dc1-cp-1"].drift


def test_html_is_text(site):
    site.worker.update(os=TAGS, kernel=f'" onmouseover="{TAGS}', errors=[TAGS])
    site.worker["grains"]["k8s_pool"] = TAGS
    site.worker["hardware"] |= {"model": TAGS, "serial": "' autofocus onfocus='x", "virtual": TAGS}
    site.nodes["<img src=x>"] = {**site.nodes[WORKER], "name": "<img src=x onerror=alert(1)>"}
    html = shown(site.inventory())["page"]
    assert "&lt;script&gt;alert(1)" in html
    assert html.count("<script>") == 1
    assert "<img" not in html
    assert '" onmouseover="' not in html
    assert "' autofocus" not in html


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\uff1d1"])
def test_a_formula_is_text_in_a_spreadsheet(site, formula):
    site.worker.update(os=formula, addresses=[formula], kernel='a "quoted", text')
    written = list(csv.DictReader(io.StringIO(shown(site.inventory())["csv"])))
    row = next(row for row in written if row["server"] == WORKER)
    assert row["os"][0] in "'\N{REPLACEMENT CHARACTER}"
    assert row["addresses"][0] in "'\N{REPLACEMENT CHARACTER}"
    assert row["kernel"] == 'a "quoted", text'
    assert len(written) == len(site.keys)


def test_numbers_stay_numbers_in_a_spreadsheet(site):
    site.worker["certificates"] = [{"name": "apiserver", "expires": NOW - 86400}]
    (row,) = (
        row for row in csv.DictReader(io.StringIO(shown(site.inventory())["csv"])) if row["server"] == WORKER
    )
    assert row["certificate_days"] == "-1.0"
    assert row["drift"] == "apiserver has expired"


def test_a_terminal_gets_no_escapes(site):
    site.worker.update(os="\x1b]0;owned\x07", kernel="\x9b2J", errors=["\r\x1b[1A"])
    site.keys["dc1-w-\x1b[2J"] = "waiting"
    table = shown(site.inventory())["table"]
    assert not [one for one in table if (ord(one) < 32 and one != "\n") or 127 <= ord(one) < 160]


def test_one_server_does_not_make_the_table_wide_for_all(site):
    site.worker["os"] = "x" * 190
    assert max(len(line) for line in shown(site.inventory())["table"].splitlines()) < 200


def test_other_alphabets_are_shown(site):
    site.worker["os"] = "Ωmega Linux 二"
    assert all("Ωmega Linux 二" in text for text in shown(site.inventory()).values())


def test_a_refusal_is_told_by_each_outputter():
    refusal = {"view": "inventory", "error": "k8s: choosing servers: none matches", "retcode": 2}
    assert "none matches" in outputter("csv")(refusal)
    assert "refused: k8s" in outputter("k8s")(refusal)


def test_csv_shows_what_is_no_inventory_as_it_is():
    assert outputter("csv")({"clusters": 1}) == "{'clusters': 1}"
    assert outputter("csv")("text") == "text"
