"""Prometheus and Alertmanager themselves, on loopback, with a real Consul and a real node_exporter.

They are Debian's, and run with what the states lay out, but for paths and the address of Consul. Everything
is behind TLS and a password.
"""

from __future__ import annotations

import base64
import crypt
import functools
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dashboards
import jinja2
import promql
import pytest
import yaml
from consul_site import Site, wait_until
from debian_binary import debian_binary

from k8s_lifecycle.discovery import acl, store
from k8s_lifecycle.discovery.agent import AgentError
from k8s_lifecycle.model import consul, datacenter, secrets
from k8s_lifecycle.model import prometheus as model
from k8s_lifecycle.server import monitoring, prometheus

FILES = Path(__file__).parents[2] / "states/k8s/files"
SERVER, ADDRESS, OTHER = "dc1-s", "127.0.3.1", "dc1-c"
# For this test only: of each kind of those who are asked, one.
PASSWORDS = {kind: f"correct-horse-{kind}" for kind in ("node_exporter", "own", "central", "couchbase")}
# What a server tells of itself, and what is not its to say.
OURS = "k8s_ours 1\nforged:by:a_server 1\n"
SENDERS = ("dc1", "dc2")
SPEC = """
servers: ["dc1-*"]
consul:
  package: {{version: 1.8.7+dfsg1-2+b3}}
  servers: {{{server}: {address}}}
  services:
    sessions: {{servers: [dc1-cb-1], port: 18091, check: {{tcp: "127.0.0.1:18091"}}, exporter: couchbase}}
monitoring:
  node_exporter: {{port: {exporter}, tls: true, basic_auth: true}}
  prometheus:
    servers: {{{server}: {address}}}
    environment: infra
    interval: 5
    port: {prometheus}
    tls: true
    basic_auth: true
    remote_write: https://{address}:{central}/api/v1/write
    alertmanager:
      port: {alertmanager}
      webhook: http://127.0.0.1:{webhook}/people
      watchdog: http://127.0.0.1:{webhook}/watchdog
  central: {{servers: {{{other}: 127.0.3.2}}, port: {central}}}
"""


class Webhook:
    """Who is told of alerts, with what was said, by path."""

    def __init__(self) -> None:
        said = self.said = list[tuple[str, dict[str, Any]]]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                said.append((self.path, json.loads(content)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.listening.server_port
        threading.Thread(target=self.listening.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.listening.shutdown()
        self.listening.server_close()


class Monitored:
    """One server with everything on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.webhook = folder, Webhook()
        names = ("exporter", "prometheus", "alertmanager", "central")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        text = SPEC.format(
            server=SERVER, other=OTHER, address=ADDRESS, webhook=self.webhook.port, **self.ports
        )
        self.site = Site(folder, {"dc1": text}, {SERVER: ADDRESS})
        place = self.site.datacenters.place(SERVER)
        assert place
        self.datacenter = place.datacenter
        self.pillar, self.pillar_of_central = made_secrets(folder)
        self.own = secrets.prometheus(self.pillar)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def moved(self, text: str) -> str:
        """A text with this server's paths and its Consul."""
        found = {
            model.CONFIG: str(self.folder / "prometheus"),
            str(Path(monitoring.WEB_CONFIG).parent): str(self.folder / "exporter"),
            monitoring.TEXTFILES: str(self.folder / "textfiles"),
            prometheus.DATA: str(self.folder / "data"),
            prometheus.ALERTMANAGER_DATA: str(self.folder / "alertmanager-data"),
            model.TARGETS: str(self.folder / "targets"),
            "127.0.0.1:8500": f"{ADDRESS}:8500",
        }
        for path, own in found.items():
            text = text.replace(path, own)
        return text

    def lay_out(self) -> None:
        """What the SLS do, in their order, with their checks."""
        desired = prometheus.desired(self.datacenter, SERVER)
        assert desired
        for name, pillar, of in (
            ("prometheus", self.pillar, "prometheus"),
            ("central/prometheus", self.pillar_of_central, "prometheus"),
            ("exporter", self.pillar, "node_exporter"),
        ):
            own = self.folder / name
            own.mkdir(parents=True)
            (own / "certificate.pem").write_text(str(self.own.certificate))
            (own / "key.pem").write_text(str(self.own.key))
            (own / "web.yml").write_text(rendered("exporter-web.yml.jinja", pillar, of))
        folder = self.folder / "prometheus"
        (folder / "authority.pem").write_text(str(self.own.authority))
        (folder / "central-authority.pem").write_text(str(self.own.authority))
        for name, kind in (
            ("node-exporter-password", "node_exporter"),
            ("password", "own"),
            ("central-password", "central"),
            ("couchbase-password", "couchbase"),
        ):
            (folder / name).write_text(PASSWORDS[kind])
        (folder / "rules").mkdir()
        for name in desired["rules"]:
            (folder / "rules" / f"{name}.yml").write_text((FILES / f"prometheus/{name}.yml").read_text())
        (folder / "prometheus.yml").write_text(self.moved(desired["configuration"]))
        (folder / "alertmanager.yml").write_text(self.moved(desired["alertmanager"]))
        for program, *words in (
            ("promtool", "check", "web-config", "web.yml"),
            ("promtool", "check", "config", "prometheus.yml"),
            ("amtool", "check-config", "alertmanager.yml"),
        ):
            package = "prometheus" if program == "promtool" else "prometheus-alertmanager"
            command = [debian_binary(package, program), *words]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        central = prometheus.desired(self.datacenter, OTHER, senders=SENDERS)
        assert central
        (folder.parent / "central/prometheus/rules").mkdir()
        for name in central["rules"]:
            target = folder.parent / f"central/prometheus/rules/{name}.yml"
            target.write_text((FILES / f"prometheus/{name}.yml").read_text())
        (folder.parent / "central/prometheus/rules/senders.yml").write_text(central["senders"])
        text = central["configuration"].replace(str(model.CONFIG), f"{self.folder}/central/prometheus")
        # It asks the Alertmanager with what the first one has.
        text = text.replace("central/prometheus/authority", "prometheus/authority")
        text = text.replace("central/prometheus/password", "prometheus/password")
        (folder.parent / "central/prometheus/prometheus.yml").write_text(text)
        (self.folder / "targets").mkdir()
        (self.folder / "textfiles").mkdir()
        (self.folder / "textfiles" / "k8s.prom").write_text(OURS)

    def start_all(self) -> None:
        desired = prometheus.desired(self.datacenter, SERVER)
        assert desired
        exporter = monitoring.options(self.datacenter.monitoring.node_exporter)
        self.start("prometheus-node-exporter", exporter)
        self.start("prometheus-alertmanager", desired["alertmanager_options"])
        # What is told before it knows its Alertmanager, it tells again; a minute later by default.
        self.start("prometheus", [*desired["options"], "--rules.alert.resend-delay=5s"])

        central = prometheus.desired(self.datacenter, OTHER, senders=SENDERS)
        assert central
        options = [
            option.replace(model.CONFIG, f"{self.folder}/central/prometheus").replace(
                prometheus.DATA, f"{self.folder}/central/data"
            )
            for option in central["options"]
        ]
        self.start("prometheus", options, "central")

    def start(self, program: str, options: list[str], name: str = "") -> None:
        name = name or program
        log = (self.folder / f"{name}.log").open("wb")
        path = debian_binary(program, program)
        # Alertmanager reads templates of its package; nobody else sees them there.
        inside = 'mount --bind "$0" /usr/share && exec "$@"'
        around = ["unshare", "--map-root-user", "--mount", "sh", "-c", inside, path.parents[1] / "share"]
        command = [*around, path, *map(self.moved, options)]
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def discover(self) -> bool:
        """What the timer does; whether all jobs have somebody to ask."""
        configuration = self.folder / "targets.json"
        configuration.write_text(self.moved(prometheus.discovery(self.datacenter, ())))
        subprocess.run([sys.executable, "-I", FILES / "k8s_targets.py", configuration], check=True)
        files = (self.folder / "targets" / f"{job}.json" for job in ("node", "prometheus", "alertmanager"))
        return all(json.loads(file.read_text()) for file in files)

    def targets(self) -> dict[str, Any]:
        """Whom Prometheus is told to ask, by job."""
        assert self.discover()
        return {file.name: json.loads(file.read_text()) for file in (self.folder / "targets").iterdir()}

    def stop(self, program: str) -> None:
        process = self.processes.pop(program)
        process.kill()
        process.wait()

    def stop_all(self) -> None:
        for program in [*self.processes]:
            self.stop(program)
        self.site.stop_all()
        self.webhook.stop()

    def said(self) -> str:
        logs = self.folder.glob("prometheus*.log")
        return "\n".join(line for log in logs for line in log.read_text().splitlines()[-15:])

    def ask(self, program: str, path: str, password: str | None = "") -> Any:
        """The answer of a program as JSON, with its own password by default; OSError where there is none."""
        user = "dc1" if program == "central" else "prometheus"
        if password == "":
            password = PASSWORDS["central" if program == "central" else "own"]
        context = ssl.create_default_context(cadata=str(self.own.authority))
        request = urllib.request.Request(f"https://{ADDRESS}:{self.ports[program]}{path}")
        if password is not None:
            given = base64.b64encode(f"{user}:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {given}")
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as answer:
            return json.load(answer)

    def query(self, expression: str, of: str = "prometheus") -> list[dict[str, Any]]:
        asked = urllib.parse.urlencode({"query": expression})
        found: list[dict[str, Any]] = self.ask(of, f"/api/v1/query?{asked}")["data"]["result"]
        return found

    def wait(self, what: str, holds: Any, seconds: float = 40) -> None:
        def quietly() -> Any:
            try:
                return holds()
            except OSError:
                return None

        try:
            wait_until(what, quietly, seconds)
        except AssertionError as error:
            pytest.fail(f"{error}\n{self.said()}")


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def made_secrets(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pillars of the server and the central one: a certificate for its address, its own authority."""
    words = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    files = ("-keyout", folder / "made.key", "-out", folder / "made.pem")
    names = ("-subj", f"/CN={SERVER}", "-addext", f"subjectAltName=IP:{ADDRESS}")
    subprocess.run([*words, *files, *names], check=True, capture_output=True)
    certificate, key = (folder / "made.pem").read_text(), (folder / "made.key").read_text()

    def shown(user: str, kind: str) -> dict[str, Any]:
        salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)  # noqa: S324 - it is bcrypt
        users = {user: crypt.crypt(PASSWORDS[kind], salt)}
        return {"certificate": certificate, "key": key, "users": users}

    asks = {
        "authority": certificate,
        "node_exporter": PASSWORDS["node_exporter"],
        "password": PASSWORDS["own"],
        "couchbase": PASSWORDS["couchbase"],
        "central": {"authority": certificate, "password": PASSWORDS["central"]},
    }
    own = {
        "node_exporter": shown("prometheus", "node_exporter"),
        "prometheus": {**shown("prometheus", "own"), **asks},
    }
    return {"k8s_secrets": own}, {"k8s_secrets": {"prometheus": shown("dc1", "central")}}


def rendered(name: str, pillar: dict[str, Any], of: str) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - YAML
    environment.filters["json"] = json.dumps
    template = environment.from_string((FILES / name).read_text())
    return template.render(pillar=pillar, of=of, basic_auth=True)


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    made = Monitored(tmp_path_factory.mktemp("prometheus"))
    try:
        made.lay_out()
        made.start_all()
        made.site.start_server("dc1")
        wait_until("all services in the catalogue", made.discover)
        yield made
    finally:
        made.stop_all()


def test_targets_are_found_through_consul_and_asked_with_the_password(monitored: Monitored) -> None:
    monitored.wait("all three to be asked", lambda: len(monitored.query("up == 1")) == 3)
    labels = {one["metric"]["job"]: one["metric"] for one in monitored.query("up")}
    assert set(labels) == {"node", "prometheus", "alertmanager"}
    for name, found in labels.items():
        expected = {"job": name, "instance": SERVER, "datacenter": "dc1", "__name__": "up"}
        assert found == expected
    assert monitored.query("k8s_ours")[0]["metric"]["instance"] == SERVER
    assert monitored.query("forged:by:a_server") == []


def test_who_may_register_a_service_leads_prometheus_to_nobody_else(monitored: Monitored) -> None:
    """Who may write a service's name may write it on every node: Consul knows no narrower right."""
    secret, service = store.new_token(), "node-exporter"
    acl.grant(monitored.site.management("dc1"), consul.token("dc1", "dc1-w", [service]), secret)
    thief, reader = (monitored.site.agent(SERVER, token) for token in (secret, None))
    before = monitored.targets()
    elsewhere = {"Address": "127.9.9.9", "Port": 1, "Meta": {"role": "control-plane"}}
    forged = {"Node": SERVER, "Address": ADDRESS, "SkipNodeUpdate": True}
    thief.put("catalog/register", {**forged, "Service": {"ID": service, "Service": service, **elsewhere}})
    (found,) = reader.get(f"catalog/service/{service}")
    assert (found["Node"], found["ServiceAddress"]) == (SERVER, "127.9.9.9")
    assert monitored.targets() == before
    thief.put("catalog/deregister", {"Node": SERVER, "ServiceID": service})
    assert reader.get(f"catalog/service/{service}") == []
    assert monitored.targets() == before
    for address in ({"Address": "127.9.9.9"}, {"Address": ADDRESS, "NodeMeta": {"role": "control-plane"}}):
        with pytest.raises(AgentError) as refused:
            thief.put("catalog/register", {"Node": SERVER, **address})
        assert refused.value.status == 403
    assert {
        one["scrapeUrl"] for one in monitored.ask("prometheus", "/api/v1/targets")["data"]["activeTargets"]
    } == {
        f"https://{ADDRESS}:{monitored.ports[name]}/metrics"
        for name in ("exporter", "prometheus", "alertmanager")
    }


@pytest.mark.parametrize("program", ["prometheus", "alertmanager", "central"])
def test_who_has_not_its_password_is_not_answered(monitored: Monitored, program: str) -> None:
    own = PASSWORDS["central" if program == "central" else "own"]
    for password in (None, *(one for one in PASSWORDS.values() if one != own)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            monitored.ask(program, "/metrics", password)
        assert refused.value.code == 401


def test_figures_arrive_at_the_central_one_with_where_they_are_from(monitored: Monitored) -> None:
    asked = 'up{job="node"}'
    monitored.wait("them", lambda: monitored.query(asked, "central"))
    assert monitored.query(asked, "central")[0]["metric"] == {
        "__name__": "up",
        "job": "node",
        "instance": SERVER,
        "datacenter": "dc1",
        "environment": "infra",
        "replica": SERVER,
    }


def test_what_dashboards_show_arrives_at_the_central_one_and_nothing_else(monitored: Monitored) -> None:
    def names(of: str) -> set[str]:
        return set(monitored.ask(of, "/api/v1/label/__name__/values")["data"])

    sent = re.compile("|".join(name.replace("*", ".*") for name in datacenter.SENT_ON))
    # Of its own it has what its rules make.
    own = {"ALERTS", "ALERTS_FOR_STATE", "datacenter:prometheus_expected:bool"}
    wanted = {name for name in names("prometheus") if sent.fullmatch(name)}
    monitored.wait("it", lambda: wanted - own <= names("central"))
    assert {name for name in names("central") - own if not sent.fullmatch(name)} == set()
    assert len(names("prometheus")) > 3 * len(wanted)


def test_a_datacenter_that_sends_nothing_is_missed(monitored: Monitored) -> None:
    def missed() -> list[str]:
        found = monitored.query('ALERTS{alertname="DatacenterSilent"}', "central")
        return [one["metric"]["datacenter"] for one in found]

    monitored.wait("the alert, for one of two", lambda: missed() == ["dc2"])


def test_no_password_is_shown_anywhere(monitored: Monitored) -> None:
    shown = json.dumps(monitored.ask("prometheus", "/api/v1/status/config"))
    shown += json.dumps(monitored.ask("prometheus", "/api/v1/status/flags")) + monitored.said()
    commands = (Path(f"/proc/{one.pid}/cmdline") for one in monitored.processes.values())
    shown += "".join(path.read_text() for path in commands)
    assert [kind for kind, password in PASSWORDS.items() if password in shown] == []


def test_all_that_rules_and_dashboards_use_of_others_is_there(monitored: Monitored) -> None:
    """node_exporter has its default collectors. Of others, other tests tell."""
    collectors = self_told(monitored)
    assert collectors == {*datacenter.COLLECTORS, "textfile"}
    others = ("k8s_", "redis_", "mysql_", *promql.CLUSTERS)
    used = promql.used() | dashboards.used()
    wanted = {name for name in used if ":" not in name and not name.startswith(others)}

    def missing() -> set[str]:
        return wanted - set(monitored.ask("prometheus", "/api/v1/label/__name__/values")["data"])

    # Some are there only once there was something to count.
    monitored.wait(f"all of {', '.join(sorted(wanted))}", lambda: not missing())


def self_told(monitored: Monitored) -> set[str]:
    found = monitored.query("node_scrape_collector_success")
    return {one["metric"]["collector"] for one in found}


def test_queries_of_dashboards_show_what_is_there(monitored: Monitored) -> None:
    """All are understood; those that ask others than us, and not for what is wrong, find something."""
    for dashboard in dashboards.all_dashboards().values():
        for title, expression in (*dashboards.queries(dashboard), *dashboards.variables(dashboard)):
            asked = dashboards.chosen(expression, server=SERVER)
            monitored.query(asked)
            if not re.search(r"k8s_|ALERTS|==", asked):
                monitored.wait(f"{title}: {asked}", functools.partial(monitored.query, asked))


def test_rules_are_evaluated(monitored: Monitored) -> None:
    answers = [monitored.ask(of, "/api/v1/rules") for of in ("prometheus", "central")]
    rules = [rule for answer in answers for group in answer["data"]["groups"] for rule in group["rules"]]
    assert len(rules) == len(list(promql.rules())) + len(SENDERS)
    assert [rule for rule in rules if rule["health"] == "err"] == []


def test_an_alert_reaches_alertmanager_and_who_is_to_be_told(monitored: Monitored) -> None:
    def told(path: str) -> list[dict[str, Any]]:
        return [alert for where, said in monitored.webhook.said if where == path for alert in said["alerts"]]

    monitored.wait("the watchdog", lambda: told("/watchdog"))
    assert told("/watchdog")[0]["labels"] == {
        "alertname": "Watchdog",
        "severity": "none",
        "datacenter": "dc1",
        "environment": "infra",
    }
    assert told("/people") == []


def test_a_server_that_says_too_much_is_not_listened_to(monitored: Monitored) -> None:
    file = monitored.folder / "textfiles/k8s.prom"
    most, _ = datacenter.USUAL_LIMIT
    file.write_text(OURS + "".join(f'k8s_flood{{n="{number}"}} 1\n' for number in range(most)))
    monitored.wait("it to count as down", lambda: monitored.query('up{job="node"} == 0'))
    assert monitored.query("k8s_flood") == []
    targets = monitored.ask("prometheus", "/api/v1/targets")["data"]["activeTargets"]
    assert [one["lastError"] for one in targets if one["lastError"]] == ["sample limit exceeded"]
    file.write_text(OURS)
    monitored.wait("it to be up again", lambda: monitored.query('up{job="node"} == 1'))


def test_an_exporter_that_dies_is_an_alert(monitored: Monitored) -> None:
    """With the committed rules, but for their patience, which are taken up by a reload."""
    path = monitored.folder / "prometheus/rules/server.yml"
    rules = yaml.safe_load(path.read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
    path.write_text(yaml.safe_dump(rules))
    began = time.time()
    os.kill(monitored.processes["prometheus"].pid, signal.SIGHUP)
    monitored.stop("prometheus-node-exporter")

    def alert() -> dict[str, Any] | None:
        found = monitored.ask("alertmanager", "/api/v2/alerts?filter=alertname=ExporterDown")
        return found[0] if found else None

    monitored.wait("the alert", alert)
    found = alert()
    assert found
    assert found["labels"] == {
        "alertname": "ExporterDown",
        "severity": "warning",
        "job": "node",
        "instance": SERVER,
        "datacenter": "dc1",
        "environment": "infra",
    }
    assert found["annotations"]["runbook"] == "docs/runbooks/ExporterDown.md"

    def reloaded() -> bool:
        found = monitored.query("prometheus_config_last_reload_success_timestamp_seconds")
        return float(found[0]["value"][1]) >= began - 1

    monitored.wait("Prometheus to say that it has reloaded", reloaded)
