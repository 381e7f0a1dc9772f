"""Dashboards of Grafana: whole, narrowed by what is chosen, and about what is recorded or exported."""

import re

import dashboards
import promql
import pytest

ALL = dashboards.all_dashboards()
PLACE = ("datacenter", "environment", "cluster")


@pytest.fixture(params=ALL)
def dashboard(request):
    return ALL[request.param]


def test_each_has_what_grafana_needs(dashboard):
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= set(dashboard)
    assert "id" not in dashboard, "it is the number of one installation"
    assert "__inputs" not in dashboard, "what is provisioned is not asked for inputs"
    assert dashboard["tags"] == ["k8s-lifecycle"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_uids_and_titles_are_unique():
    for key in ("uid", "title"):
        found = [one[key] for one in ALL.values()]
        assert len(set(found)) == len(found)


def test_panels_have_their_own_places(dashboard):
    taken = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not own & taken, panel["title"]
        taken |= own


def test_the_source_and_the_place_can_be_chosen(dashboard):
    source, *others = dashboard["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert tuple(one["name"] for one in others[:3]) == PLACE
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    asking = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert all(one["datasource"] == wanted for one in (*others, *asking))
    assert all(panel["targets"] for panel in asking)


def test_every_query_is_narrowed_by_what_is_chosen(dashboard):
    """Each selector, so that no series of another datacenter gets in."""
    known = {one["name"] for one in dashboard["templating"]["list"]} | {"__rate_interval"}
    for title, expression in dashboards.queries(dashboard):
        assert set(re.findall(r"\$\{?(\w+)", expression)) <= known, title
        selectors = re.findall(r"\{([^}]*)\}", expression)
        assert selectors, title
        assert all('datacenter=~"$datacenter"' in one for one in selectors), title
        assert len(selectors) == sum(
            len(re.findall(rf"(?<![\w:]){name}\{{", expression)) for name in promql.metrics(expression)
        ), f"{title}: a metric without a selector"


def test_what_is_recorded_has_a_rule():
    recorded = {rule["record"] for rule in promql.rules() if "record" in rule}
    assert {name for name in dashboards.used() if ":" in name} <= recorded


def test_the_server_of_a_table_leads_to_its_dashboard():
    target = f"/d/{ALL['server']['uid']}?var-server=${{__value.text}}"
    for name, dashboard in ALL.items():
        for panel in dashboard["panels"]:
            overrides = panel.get("fieldConfig", {}).get("overrides", [])
            links = [
                link["url"]
                for override in overrides
                for one in override["properties"]
                if one["id"] == "links"
                for link in one["value"]
            ]
            assert all(link.startswith(target) for link in links)
            has_servers = "instance" in str(panel.get("transformations", ""))
            assert bool(links) == has_servers or name == "server", panel["title"]
