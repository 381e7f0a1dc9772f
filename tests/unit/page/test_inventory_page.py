"""The page of the inventory: what is in it, what is kept out of it, and how a browser takes it."""

import json
import re
import resource
import shutil
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from fleet_of_many import many

from k8s_lifecycle.page.inventory import page

TAKEN = datetime(2027, 1, 15, 8, tzinfo=UTC)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# What a person does, done by a script that tells what it saw.
ACT = """
<script>
addEventListener("load", () => requestAnimationFrame(() => setTimeout(() => {
  const seen = {};
  const visible = () => [...document.querySelectorAll("#table tbody tr")].filter((row) => !row.hidden);
  const names = () => visible().map((row) => row.cells[0].dataset.sort);
  const press = (key, target) => target.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const query = document.querySelector("#query");
  seen.all = visible().length;
  seen.first = names()[0];
  press("/", document.body);
  seen.focused = document.activeElement.id;
  query.value = "dc1-prod-w-7 GENERAL";
  query.dispatchEvent(new Event("input", {bubbles: true}));
  seen.found = names();
  seen.count = document.querySelector("#count").value;
  query.value = "no such thing";
  query.dispatchEvent(new Event("input", {bubbles: true}));
  seen.nothing = !document.querySelector("#nothing").hidden;
  query.value = "";
  const severity = document.querySelector("[data-filter=severity]");
  severity.value = "critical";
  severity.dispatchEvent(new Event("input", {bubbles: true}));
  seen.critical = visible().length;
  severity.value = "*";
  severity.dispatchEvent(new Event("input", {bubbles: true}));
  const head = document.querySelector("#table thead th");
  head.firstElementChild.click();
  seen.up = names().slice(0, 2);
  head.firstElementChild.click();
  seen.sorted = head.getAttribute("aria-sort");
  seen.down = names()[0];
  document.querySelector("[data-choose=cluster]").click();
  seen.chosen = new Set(visible().map((row) => row.dataset.cluster)).size;
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify(seen);
  document.body.append(told);
})));
</script>
"""


@pytest.fixture(scope="module")
def inventory():
    return many(1000)


@pytest.fixture(scope="module")
def html(inventory):
    return page(inventory, ["dc3.yaml: name: <wrong> — write it"], TAKEN, "master-1")


class Outline(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_every_server_and_cluster_is_in_it(inventory, html):
    outline = Outline(html).tags
    shown = [
        attributes["data-sort"] for tag, attributes in outline if tag == "th" and "data-sort" in attributes
    ]
    assert shown == [row.server for row in inventory.rows]
    assert all(f">{cluster.name}<" in html for cluster in inventory.clusters)


def test_it_needs_nothing_else(html):
    outline = Outline(html).tags
    assert not {"link", "img", "iframe", "base", "object"} & {tag for tag, _ in outline}
    assert not [attributes for _, attributes in outline if "src" in attributes or "style" in attributes]
    assert "url(" not in html
    assert "@import" not in html


def test_the_policy_lets_only_its_own_script_and_style_run(html):
    (policy,) = (one["content"] for tag, one in Outline(html).tags if one.get("http-equiv"))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("script-src").startswith("'sha256-")
    assert rules.pop("style-src").startswith("'sha256-")
    assert rules == dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")


def test_what_files_and_servers_say_is_text(html):
    assert "&lt;wrong&gt;" in html
    assert "<wrong>" not in html


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: nobody has looked at the page")
def test_a_browser_shows_a_thousand_servers_and_finds_and_sorts_them(html, tmp_path):
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    there = tmp_path / "inventory.html"
    # The script of this test is not the page's own, which its policy would keep out.
    there.write_text(policy.sub("", html).replace("</body>", f"{ACT}</body>"))
    seen = looked_at(there, tmp_path)
    assert seen["all"] == 1002
    assert seen["focused"] == "query"
    assert sorted(seen["found"]) == ["dc1-prod-w-7", *(f"dc1-prod-w-7{digit}" for digit in range(10))]
    assert seen["count"] == "11 of 1002 servers"
    assert seen["nothing"]
    assert 0 < seen["critical"] < 50
    assert seen["up"] == ["dc1-prod-cp-1", "dc1-prod-cp-2"]
    assert (seen["sorted"], seen["down"]) == ("descending", "web-1")
    assert seen["chosen"] == 1


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: nobody has looked at the page")
def test_a_browser_runs_the_script_of_the_page_under_its_policy(html, tmp_path):
    there = tmp_path / "inventory.html"
    there.write_text(html.replace("</body>", "<script>document.title = 'broken in'</script></body>"))
    dumped = dump(there, tmp_path)
    assert "broken in" not in dumped.partition("</title>")[0]
    assert "1002 servers" in dumped


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: nobody has looked at the page")
def test_a_browser_takes_less_than_two_seconds_for_it(html, tmp_path):
    there = tmp_path / "inventory.html"
    there.write_text(html)
    # In seconds of a processor: what the clock says depends on what else the machine does.
    shown, nothing = (working(url, tmp_path) for url in (there.as_uri(), "about:blank"))
    assert shown - nothing < 2


def working(url, tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    browse(tmp_path, f"--screenshot={tmp_path}/seen.png", "--window-size=1680,1050", url)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def looked_at(there, tmp_path):
    told = re.search(r'<pre id="told">(.*?)</pre>', dump(there, tmp_path), re.DOTALL)
    assert told, "the script of this test did not come to its end"
    return json.loads(told.group(1))


def dump(there, tmp_path):
    return browse(tmp_path, "--virtual-time-budget=10000", "--dump-dom", there.as_uri())


def browse(tmp_path, *options):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    done = subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout
