"""The page of the inventory: what is in it, what is kept out of it, and how a browser takes it."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from browser import CHROMIUM, Browser
from fleet_of_many import many

from k8s_lifecycle.page.inventory import _code, page

TAKEN = datetime(2027, 1, 15, 8, tzinfo=UTC)
# What there is to see, in the order in which it stands there.
NAMES = """
[...document.querySelectorAll("#table tbody tr:not([hidden])")].map((row) => row.cells[0].dataset.sort)
"""
COUNT = 'document.querySelector("#count").value'
FOCUSED = "document.activeElement.id || document.activeElement.textContent"
CHOOSE = """
(() => {
  const filter = document.querySelector("[data-filter=severity]");
  filter.value = "%s";
  filter.dispatchEvent(new Event("input", {bubbles: true}));
})()
"""
# How well each colour of text can be told from what is behind it: https://www.w3.org/TR/WCAG22/#contrast-minimum
CONTRASTS = """
(() => {
  const probe = document.body.appendChild(document.createElement("p"));
  const light = (name) => {
    probe.style.color = `var(--${name})`;
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const [red, green, blue] = getComputedStyle(probe).color.match(/\\d+/g).map((part) => linear(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
  };
  const back = light("back");
  const ratio = (name) => Math.max(light(name), back) / Math.min(light(name), back);
  const names = ["strong", "text", "dim", "critical", "warning", "accent"];
  return Object.fromEntries(names.map((name) => [name, ratio(name)]));
})()
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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: nobody has looked at the page")
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def there(html, tmp_path_factory):
    """The page in a file, with a script that is not its own."""
    path = tmp_path_factory.mktemp("page") / "inventory.html"
    path.write_text(html.replace("</body>", "<script>document.title = 'broken in'</script></body>"))
    return path


def test_commands_are_set_as_code_and_are_text_too():
    assert _code("`salt '<w>' x`; or <b>") == "<code>salt &#39;&lt;w&gt;&#39; x</code>; or &lt;b&gt;"


def test_its_own_script_runs_under_its_policy_and_no_other(browser, there):
    browser.open(there)
    assert browser.evaluate("document.title").startswith("Inventory of")
    browser.press("/")
    assert browser.evaluate(FOCUSED) == "query"


def test_a_keyboard_is_enough_to_search_sort_and_read(browser, there):
    browser.open(there)
    assert len(browser.evaluate(NAMES)) == 1002
    browser.press("/")
    browser.write("dc1-prod-w-7 GENERAL")
    found = browser.evaluate(NAMES)
    assert sorted(found) == ["dc1-prod-w-7", *(f"dc1-prod-w-7{digit}" for digit in range(10))]
    assert browser.evaluate(COUNT) == "11 of 1002 servers"
    browser.write(" no such thing")
    assert browser.evaluate('!document.querySelector("#nothing").hidden')
    browser.press("Escape")
    assert browser.evaluate(COUNT) == "1002 servers"
    browser.press("Tab", times=7)  # past five filters and the button that resets them
    assert browser.evaluate(FOCUSED) == "Server"
    browser.press("Enter")
    assert browser.evaluate(NAMES)[:2] == ["dc1-prod-cp-1", "dc1-prod-cp-2"]
    browser.press("Enter")
    assert browser.evaluate(NAMES)[0] == "web-1"
    assert browser.evaluate('document.querySelector("#table thead th").ariaSort') == "descending"
    assert browser.evaluate('getComputedStyle(document.activeElement, "::after").content') == '" ↓"'
    browser.press("Tab", times=11)  # past the other heads, to what is wrong with the first server
    browser.press("Enter")
    opened = browser.evaluate('document.querySelector("#table details[open] .remedy").textContent')
    assert opened == "look at its salt-minion's log"


def test_filters_and_links_narrow_it(browser, there):
    browser.open(there)
    browser.evaluate(CHOOSE % "critical")
    assert 0 < len(browser.evaluate(NAMES)) < 50
    browser.evaluate('document.querySelector("[data-choose=cluster]").click()')
    chosen = browser.evaluate(NAMES)
    assert len(chosen) == 251
    assert {name.partition("-cp-")[0].partition("-w-")[0] for name in chosen} == {"dc1-prod"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_day_and_by_night(browser, there, scheme):
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.command("Emulation.setEmulatedMedia", features=preferred)
    browser.open(there)
    behind = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (behind == "rgb(255, 255, 255)") == (scheme == "light")
    assert {name: ratio for name, ratio in browser.evaluate(CONTRASTS).items() if ratio < 4.5} == {}


@pytest.fixture(scope="module")
def drawn(browser, tmp_path_factory):
    """Return what drawing a page costs: seconds of the processor, the least of three times."""
    path = tmp_path_factory.mktemp("drawn") / "drawn.html"

    def once():
        before = browser.processor_seconds()
        browser.open(path)
        return browser.processor_seconds() - before

    def least(text):
        path.write_text(text)
        return min(once() for _ in range(3))

    return least


def test_what_it_costs_to_draw_follows_the_servers(drawn, html):
    """A thousand cost little more than their table without style and script, and four times what 250 cost."""
    thousand, quarter = drawn(html), drawn(page(many(250), [], TAKEN, "master-1"))
    assert thousand < 2.5 * drawn(re.sub(r"<(style|script)\b.*?</\1>", "", html, flags=re.DOTALL))
    assert thousand < 6 * quarter
