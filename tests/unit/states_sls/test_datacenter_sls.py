"""The SLS that every server of a datacenter gets, compiled by Salt: what is in them, and what never is."""

import json
from pathlib import Path

import jinja2
import pytest
import salt.client
import salt.config
import yaml

from k8s_lifecycle.model import datacenters
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.cluster_metrics import Cluster

CHECKOUT = Path(__file__).parents[3]
FILES = CHECKOUT / "states/k8s/files"
SPEC = """
servers: ["dc1-*"]
repository: {url: "http://mirror.example/apt", suite: bookworm, key: "http://mirror.example/apt/key.asc"}
consul:
  package: {version: 1.8.7+dfsg1-2+b3}
  servers: {dc1-s-1: 10.11.0.1}
"""
CLUSTER = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.37.2"},
    "control_plane": {
        "servers": ["dc1-cp-1"],
        "endpoint": {"address": "10.11.0.100", "virtual_router_id": 51},
    },
    "pools": {"general": {"servers": ["dc1-w-*"]}},
    "network_addon": {"kind": "none"},
    "packages": {
        "repository": {
            "url": "http://mirror.example/apt",
            "suite": "bookworm",
            "key": "http://mirror.example/apt/key.asc",
        },
        "containerd": {"version": "2.3.7-1"},
    },
}
GRAINS = {"pythonexecutable": "/opt/salt/python3"}
SECRETS = {
    "consul": {"gossip_key": "hidden-gossip", "management_token": "hidden-token", "key": "hidden-key"},
    "node_exporter": {
        "certificate": "-----BEGIN CERTIFICATE-----\nhidden\n-----END CERTIFICATE-----\n",
        "key": "-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----\n",
        "users": {"prometheus": "$2y$12$" + "h" * 53},
    },
    "prometheus": {
        "certificate": "-----BEGIN CERTIFICATE-----\nhidden\n-----END CERTIFICATE-----\n",
        "key": "-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----\n",
        "users": {"prometheus": "$2y$12$" + "h" * 53},
        "authority": "-----BEGIN CERTIFICATE-----\nhidden\n-----END CERTIFICATE-----\n",
        "node_exporter": "hidden-node-exporter",
        "password": "hidden-password",
        "central": {
            "authority": "-----BEGIN CERTIFICATE-----\nhidden\n-----END CERTIFICATE-----\n",
            "password": "hidden-central",
        },
    },
}


@pytest.fixture(scope="module")
def minion(tmp_path_factory):
    """A function that makes a minion with an id."""
    made = {}

    def of(name):
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            opts = salt.config.minion_config(None)
            opts.update(
                {
                    "id": name,
                    "file_client": "local",
                    "file_roots": {"base": [str(CHECKOUT / "states")]},
                    "pillar_roots": {"base": []},
                    "module_dirs": [str(CHECKOUT)],
                    "root_dir": str(root),
                    "cachedir": str(root / "cache"),
                    "pki_dir": str(root / "pki"),
                    "sock_dir": str(root / "sock"),
                    "log_file": str(root / "log"),
                    "enable_fqdns_grains": False,
                    "grains": GRAINS,
                }
            )
            made[name] = salt.client.Caller(mopts=opts)
        return made[name]

    return of


@pytest.fixture
def compiled(minion):
    """A function that returns the compiled states of an SLS by their id."""

    def compile_(
        sls,
        server="dc1-x-1",
        cluster=False,
        assignment=None,
        prometheus=None,
        central=None,
        services=None,
        clusters=(),
        senders=(),
        consul=None,
        secrets=SECRETS,
        **exporter,
    ):
        monitoring = {"node_exporter": exporter, "prometheus": prometheus, "central": central}
        mapping = {"name": "dc1", **yaml.safe_load(SPEC), "monitoring": monitoring}
        mapping["consul"] |= {"services": services or {}, **(consul or {})}
        asked = tuple(Cluster(name, "prod", "10.11.0.100:8443") for name in clusters)
        place = datacenters.Place(datacenters.from_dict(mapping), {}, asked, tuple(senders))
        pillar = {"k8s_datacenter": assignment or place.to_dict(), "k8s_secrets": secrets}
        if cluster:
            spec, problems = specs.parse("dc1-prod", CLUSTER)
            assert not problems
            role, pool = ("worker", "general") if cluster != "control-plane" else (cluster, None)
            pillar["k8s"] = {"cluster": "dc1-prod", "role": role, "pool": pool, "spec": spec.to_dict()}
        low = minion(server).cmd("state.show_low_sls", sls, pillar=pillar)
        assert all(isinstance(state, dict) for state in low), low
        return {state["__id__"]: state for state in low}

    return compile_


def position(states, name):
    return list(states).index(name)


def test_the_agent_of_a_server_in_no_cluster(compiled):
    states = compiled("k8s.monitoring")
    assert position(states, "k8s-site-repository") < position(states, "k8s-node-exporter-package")
    assert position(states, "k8s-node-exporter-unit") < position(states, "k8s-node-exporter-package")
    assert "k8s-node-exporter-web" not in states
    assert states["k8s-monitoring-no-firewall-unit"]["fun"] == "absent"
    looked = json.loads(states["k8s-textfile-config"]["contents"])
    assert looked["services"] == ["prometheus-node-exporter", "consul"]
    assert (looked["node"], looked["kubelet"], looked["certificate_ports"]) == (None, None, [])


def test_a_node_is_asked_for_more(compiled):
    states = compiled("k8s.monitoring", server="dc1-w-1", cluster=True)
    looked = json.loads(states["k8s-textfile-config"]["contents"])
    assert looked["services"][2:] == ["containerd", "kubelet"]
    assert looked["node"]["name"] == "dc1-w-1"
    assert (looked["certificate_ports"], looked["node_ports"]) == ([], ["127.0.0.1:10250"])
    assert "/etc/kubernetes/kubelet.conf" in looked["node_files"]


def test_a_repository_that_the_cluster_has_is_named_once(compiled):
    assert "k8s-site-repository-key" in compiled("k8s.monitoring")
    states = compiled("k8s.monitoring", server="dc1-w-1", cluster=True)
    assert "k8s-site-repository-key" not in states
    assert position(states, "k8s-repository") < position(states, "k8s-node-exporter-package")


def test_tls_takes_secrets_from_the_pillar_and_shows_none(compiled):
    states = compiled("k8s.monitoring", tls=True, basic_auth=True)
    for name in ("certificate", "key"):
        state = states[f"k8s-node-exporter-{name}"]
        assert state["contents_pillar"] == f"k8s_secrets:node_exporter:{name}"
        assert (state["mode"], state["group"], state["show_changes"]) == ("0640", "prometheus", False)
    assert states["k8s-node-exporter-web"]["show_changes"] is False
    assert "hidden" not in json.dumps(states)
    assert "h" * 53 not in json.dumps(states)
    for name in ("certificate", "key", "web"):
        assert position(states, f"k8s-node-exporter-{name}") < position(states, "k8s-node-exporter")


def test_the_firewall(compiled):
    states = compiled("k8s.monitoring", allow_from=["10.11.0.5/32"])
    assert "ip saddr { 10.11.0.5/32 } accept" in states["k8s-monitoring-firewall-rules"]["contents"]
    assert "k8s-monitoring-no-firewall" not in states
    table = states["k8s-monitoring-firewall-in-force"]
    assert f"table {table['name']} {{" in states["k8s-monitoring-firewall-rules"]["contents"]
    assert table["file"] == states["k8s-monitoring-firewall-rules"]["name"]
    assert position(states, "k8s-monitoring-firewall-in-force") < position(
        states, "k8s-node-exporter-package"
    )


def test_the_firewall_is_there_also_where_a_secret_is_missing(compiled):
    states = compiled("k8s.monitoring", tls=True, allow_from=["10.11.0.5/32"], secrets={})
    assert "k8s_secrets.node_exporter.key: missing" in states["k8s-monitoring-pillar"]["comment"]
    assert {"k8s-monitoring-firewall", "k8s-monitoring-firewall-in-force"} <= set(states)
    assert "k8s-node-exporter" not in states


def test_what_is_wrong_with_the_file_or_the_secrets_is_told_and_nothing_done(compiled, minion):
    states = compiled("k8s.monitoring", assignment={"problems": ["dc1.yaml: servers: missing"]})
    assert set(states) == {"k8s-monitoring-pillar"}
    assert states["k8s-monitoring-pillar"]["comment"] == "dc1.yaml: servers: missing"
    assert states["k8s-monitoring-pillar"]["result"] is False
    assert compiled("k8s.consul", assignment={"problems": ["dc1.yaml: servers: missing"]}) == {}


def test_consul_on_a_server(compiled):
    states = compiled("k8s.consul")
    assert not {"k8s-elected", "k8s-consul-dns"} & set(states)
    assert states["k8s-elected-not"]["fun"] == "dead"
    assert states["k8s-consul-no-dnsmasq"]["fun"] == "absent"
    assert states["k8s-consul-package"]["pkgs"] == [{"consul": "1.8.7+dfsg1-2+b3"}]
    order = ["unit", "package", "admitted", "configured", "", "reloaded", "registered"]
    places = [position(states, f"k8s-consul-{name}".rstrip("-")) for name in order]
    assert places == sorted(places)
    assert states["k8s-consul"]["reload"] is False
    assert "/usr/bin/consul" in states["k8s-consul"]["files"]
    assert "k8s-consul-acls" not in states
    assert "hidden" not in json.dumps(states)


def test_a_server_of_consul_sets_up_the_acls_and_is_never_restarted(compiled):
    states = compiled("k8s.consul", server="dc1-s-1")
    assert position(states, "k8s-consul-acls") < position(states, "k8s-consul-registered")
    assert states["k8s-consul"]["reload"] is True
    # A newer program would be reason to restart it.
    assert not any(file.startswith(("/usr", "/etc/systemd")) for file in states["k8s-consul"]["files"])
    assert "hidden" not in json.dumps(states)


def test_a_control_plane_writes_for_its_cluster(compiled):
    consul = {"kubernetes": {"dc1-prod": ["shop", "pay-*"]}}
    states = compiled("k8s.consul", server="dc1-cp-1", cluster="control-plane", consul=consul)
    told = json.loads(states["k8s-elected-configuration"]["contents"])
    assert told == {
        "server": "dc1-cp-1",
        "cluster": "dc1-prod",
        "environment": "prod",
        "address": "10.11.0.100",
        "names": ["shop", "pay-*"],
        "pods_dns": False,
    }
    order = ["consul-registered", "elected", "elected-has-done-it"]
    places = [position(states, f"k8s-{name}") for name in order]
    assert places == sorted(places)
    unit = states["k8s-elected-unit"]["context"]
    assert (Path(unit["path"]) / "k8s_lifecycle/discovery/elected.py").exists()
    assert "k8s-elected" not in compiled("k8s.consul", server="dc1-w-1", cluster="worker", consul=consul)


def test_nodes_answer_their_pods_and_nobody_else(compiled):
    dns = {"dns": {"pods": True}}
    states = compiled("k8s.consul", server="dc1-w-1", cluster="worker", consul=dns)
    order = ["dns", "dns-in-force", "dns-address", ""]
    places = [position(states, f"k8s-consul-{name}".rstrip("-")) for name in order]
    assert places == sorted(places)
    table = states["k8s-consul-dns-in-force"]["name"]
    assert f"table {table} {{" in states["k8s-consul-dns-rules"]["contents"]
    assert states["k8s-consul-dns-address"]["name"] == "169.254.20.53/32"
    rule = "ip daddr 169.254.20.53 ip saddr != { 10.244.0.0/16, 169.254.20.53 } drop"
    assert rule in states["k8s-consul-dns-rules"]["contents"]
    assert "169.254.20.53/32" in (FILES / "k8s-consul-dns.service").read_text()
    # Where pods do not ask, the address goes after the agent has let it go.
    states = compiled("k8s.consul", server="dc1-w-1", cluster="worker")
    assert position(states, "k8s-consul") < position(states, "k8s-consul-no-dns")


def test_resolvers_are_told_of_consul_where_the_file_says_so(compiled):
    states = compiled("k8s.consul", consul={"dns": {"dnsmasq": ["dc1-*"], "resolved": ["dc2-*"]}})
    assert states["k8s-consul-dnsmasq"]["name"] == "dnsmasq"
    assert states["k8s-consul-dnsmasq"]["files"] == [states["k8s-consul-dnsmasq-configuration"]["name"]]
    assert states["k8s-consul-no-resolved"]["name"] == "/etc/systemd/resolved.conf.d/k8s-consul.conf"
    assert states["k8s-consul-no-resolved-restart"]["name"] == "systemctl try-restart systemd-resolved"


PROMETHEUS = {
    "servers": {"dc1-mon-1": "10.11.0.5"},
    "environment": "infra",
    "alertmanager": {"webhook": "http://chat.example/"},
}


def test_prometheus_is_nothing_on_a_server_that_is_not_named(compiled):
    assert compiled("k8s.prometheus") == {}
    assert compiled("k8s.prometheus", prometheus=PROMETHEUS) == {}
    assert compiled("k8s.prometheus", assignment={"problems": ["dc1.yaml: servers: missing"]}) == {}


def test_prometheus_on_its_server(compiled):
    states = compiled("k8s.prometheus", server="dc1-mon-1", prometheus=PROMETHEUS)
    rules = [name for name in states if name.startswith("k8s-prometheus-rules-")]
    assert len(rules) == len(list((FILES / "prometheus").glob("*.yml"))) - 1  # the central one's
    for first, then in (
        ("k8s-site-repository", "k8s-prometheus-package"),
        ("k8s-prometheus-unit", "k8s-prometheus-package"),
        ("k8s-prometheus-alertmanager-package", "k8s-prometheus-directory"),
        *((rule, "k8s-prometheus-configuration") for rule in rules),
        ("k8s-prometheus-configuration", "k8s-prometheus"),
        ("k8s-alertmanager-configuration", "k8s-prometheus-alertmanager"),
        ("k8s-prometheus", "k8s-prometheus-reloaded"),
        ("k8s-targets", "k8s-targets-timer"),
    ):
        assert position(states, first) < position(states, then)
    for name in ("k8s-prometheus-configuration", "k8s-alertmanager-configuration", *rules):
        assert "check" in states[name]["check_cmd"]
    for program in ("prometheus", "prometheus-alertmanager"):
        assert states[f"k8s-{program}"].get("reload", False) is False
        assert states[f"k8s-{program}-reloaded"]["reload"] is True
    told = yaml.safe_load(states["k8s-prometheus-configuration"]["contents"])
    assert told["rule_files"] == ["/etc/prometheus/k8s/rules/*.yml"]
    assert not {"k8s-prometheus-password", "k8s-prometheus-authority"} & set(states)


def test_secrets_of_prometheus_are_laid_out_before_what_names_them_and_shown_nowhere(compiled):
    url = "https://10.11.0.4:9090/api/v1/write"
    behind = {**PROMETHEUS, "tls": True, "basic_auth": True, "remote_write": url}
    asked = {"tls": True, "basic_auth": True}
    states = compiled("k8s.prometheus", server="dc1-mon-1", prometheus=behind, **asked)
    own = ("certificate", "key", "authority", "password", "web", "central-authority", "central-password")
    for name in (*own, "node_exporter"):
        state = states[f"k8s-prometheus-{name}"]
        assert (state["mode"], state["group"], state["show_changes"]) == ("0640", "prometheus", False)
        assert position(states, f"k8s-prometheus-{name}") < position(states, "k8s-prometheus-configuration")
    assert "hidden" not in json.dumps(states)
    assert "h" * 53 not in json.dumps(states)


def test_the_central_prometheus(compiled):
    others = {**PROMETHEUS, "servers": {"dc1-mon-2": "10.11.0.6"}}
    central = {"servers": {"dc1-mon-1": "10.11.0.5"}}
    wanted = {"prometheus": others, "central": central, "senders": ["dc1", "dc2"]}
    states = compiled("k8s.prometheus", server="dc1-mon-1", **wanted)
    told = yaml.safe_load(states["k8s-prometheus-senders"]["contents"])["groups"][0]["rules"]
    assert [rule["labels"]["datacenter"] for rule in told] == ["dc1", "dc2"]
    assert states["k8s-prometheus-senders"]["name"] in states["k8s-prometheus-reloaded"]["files"]
    assert "--web.enable-remote-write-receiver" in states["k8s-prometheus-unit"]["context"]["options"]
    assert {"k8s-prometheus-rules-central", "k8s-prometheus-web", "k8s-prometheus-reloaded"} <= set(states)
    others = ("k8s-targets", "k8s-alertmanager", "k8s-prometheus-alertmanager", "k8s-prometheus-password")
    assert [name for name in states if name.startswith(others)] == []


SERVICES = {
    kind: {"servers": ["dc1-mon-1"], "port": port, "check": {"tcp": "127.0.0.1:1"}, "exporter": kind}
    for kind, port in (("redis", 6380), ("mysqld", 3307))
}


def exporters_of(compiled, accounts):
    wanted = {"prometheus": PROMETHEUS, "services": SERVICES, "secrets": {"exporters": accounts}}
    return compiled("k8s.exporters", server="dc1-mon-1", **wanted)


def test_exporters_are_where_their_services_are_and_show_no_secret(compiled):
    states = exporters_of(
        compiled, {key: {"user": "exporter", "password": "hidden-password"} for key in SERVICES}
    )
    options = {"redis": "-redis.user=exporter", "mysqld": "--web.listen-address=:9104"}
    for kind, option in options.items():
        names = [f"k8s-{kind}-exporter{part}" for part in ("-secrets", "-unit", "-package", "")]
        own, unit, _, service = (states[name] for name in names)
        assert option in unit["context"]["options"]
        assert (own["mode"], own["dir_mode"], own["show_changes"]) == ("0600", "0700", False)
        assert own["name"] in service["files"]
        places = [position(states, name) for name in names]
        assert places == sorted(places)
    assert "hidden" not in json.dumps(states)
    assert compiled("k8s.exporters", server="dc1-mon-1", prometheus=PROMETHEUS) == {}


def test_an_exporter_of_mysqld_without_a_user_is_told(compiled):
    for accounts in ({}, {"mysqld": {"password": "hidden-password"}}):
        states = exporters_of(compiled, accounts)
        assert set(states) == {"k8s-exporters-pillar"}
        assert "k8s_secrets.exporters.mysqld: no user" in states["k8s-exporters-pillar"]["comment"]


def test_the_password_for_couchbase_is_a_file_of_its_own_and_is_missed(compiled):
    service = {
        "servers": ["dc1-cb-1"],
        "port": 18091,
        "check": {"tcp": "127.0.0.1:1"},
        "exporter": "couchbase",
    }
    wanted = {"server": "dc1-mon-1", "prometheus": PROMETHEUS, "services": {"sessions": service}}
    missing = compiled("k8s.prometheus", **wanted)["k8s-prometheus-pillar"]
    assert "k8s_secrets.prometheus.couchbase: missing" in missing["comment"]
    given = {"prometheus": {**SECRETS["prometheus"], "couchbase": "hidden-couchbase"}}
    states = compiled("k8s.prometheus", secrets=given, **wanted)
    own = states["k8s-prometheus-couchbase"]
    assert (own["name"], own["mode"]) == ("/etc/prometheus/k8s/couchbase-password", "0640")
    assert "hidden" not in json.dumps(states)


def test_missing_secrets_of_prometheus_are_named(compiled):
    behind = {**PROMETHEUS, "tls": True, "basic_auth": True}
    states = compiled(
        "k8s.prometheus", server="dc1-mon-1", prometheus=behind, secrets={"prometheus": {"password": "short"}}
    )
    assert set(states) == {"k8s-prometheus-pillar"}
    assert (
        "k8s_secrets.prometheus.password: it is not a password" in states["k8s-prometheus-pillar"]["comment"]
    )
    assert "short" not in states["k8s-prometheus-pillar"]["comment"]
    asked = {"tls": True, "basic_auth": True, "central": {"servers": {"dc1-c-1": "10.11.0.4"}}}
    states = compiled("k8s.prometheus", server="dc1-mon-1", prometheus=behind, secrets={}, **asked)
    missing = states["k8s-prometheus-pillar"]["comment"].splitlines()
    assert [line.split(":")[0].rpartition(".")[2] for line in missing] == [
        "certificate",
        "key",
        "users",
        "authority",
        "node_exporter",
        "password",
        "central",
    ]


def test_prometheus_asks_the_clusters_of_its_datacenter(compiled):
    states = compiled("k8s.prometheus", server="dc1-mon-1", prometheus=PROMETHEUS, clusters=["prod"])
    directory = states["k8s-prometheus-clusters"]
    # Of the group that Prometheus is in, and all that is made there as well.
    assert (directory["group"], directory["mode"]) == ("prometheus", "2750")
    order = ["clusters", "credentials", "configuration"]
    places = [position(states, f"k8s-prometheus-{name}") for name in order]
    assert places == sorted(places)
    assert "k8s_prometheus.ask" in states["k8s-prometheus-asks"]["job_args"][0]
    told = yaml.safe_load(states["k8s-prometheus-configuration"]["contents"])
    assert "prod/etcd" in [job["job_name"] for job in told["scrape_configs"]]
    asked = json.loads(states["k8s-targets-configuration"]["contents"])
    assert [cluster["api"] for cluster in asked["clusters"]] == ["10.11.0.100:8443"]


def test_the_proxy_of_metrics_is_on_control_planes_only(compiled):
    assert compiled("k8s.metrics_proxy", prometheus=PROMETHEUS) == {}
    assert compiled("k8s.metrics_proxy", server="dc1-w-1", cluster=True, prometheus=PROMETHEUS) == {}
    assert compiled("k8s.metrics_proxy", assignment={"problems": ["dc1.yaml: servers: missing"]}) == {}


@pytest.fixture
def rendered():
    """A function that renders one of the files."""

    def render(name, **context):
        how = {"undefined": jinja2.StrictUndefined, "keep_trailing_newline": True}
        environment = jinja2.Environment(**how, autoescape=False)  # noqa: S701 - no HTML
        environment.filters["json"] = json.dumps
        return environment.from_string((FILES / name).read_text()).render(**context)

    return render


def test_the_web_configuration_has_its_users(rendered):
    context = {"pillar": {"k8s_secrets": SECRETS}, "of": "node_exporter"}
    text = rendered("exporter-web.yml.jinja", **context, basic_auth=True)
    found = yaml.safe_load(text)
    assert found["basic_auth_users"] == SECRETS["node_exporter"]["users"]
    assert found["tls_server_config"]["min_version"] == "TLS12"
    without = yaml.safe_load(rendered("exporter-web.yml.jinja", **context, basic_auth=False))
    assert "basic_auth_users" not in without


def test_what_systemd_would_expand_is_doubled(rendered):
    text = rendered("node-exporter.conf.jinja", options=["--one=^a$", "--two=50%"])
    assert "--one=^a$$ \\\n" in text
    assert "--two=50%%\n" in text


SERVERS_OF_ALL_KINDS = {
    "prometheus": {
        "servers": {"dc1-mon-1": "10.11.0.5"},
        "environment": "infra",
        "tls": True,
        "basic_auth": True,
        "remote_write": "https://10.11.0.4:9090/api/v1/write",
        "alertmanager": {"webhook": "http://chat.example/"},
    },
    "central": {"servers": {"dc1-c-1": "10.11.0.4"}},
    "services": SERVICES,
    "secrets": {
        **SECRETS,
        "exporters": {kind: {"user": "exporter", "password": "hidden-password"} for kind in SERVICES},
    },
    "tls": True,
    "basic_auth": True,
    "allow_from": [],
}


@pytest.mark.parametrize(
    ("sls", "server", "count"),
    [
        ("k8s.monitoring", "dc1-mon-1", 3),
        ("k8s.exporters", "dc1-mon-1", 4),
        ("k8s.prometheus", "dc1-mon-1", 3),
        ("k8s.prometheus", "dc1-c-1", 2),
    ],
)
def test_each_template_is_given_all_that_it_uses(compiled, rendered, sls, server, count):
    """Salt refuses a file whose template uses what is not there."""
    states = compiled(sls, server, **SERVERS_OF_ALL_KINDS)
    templates = [state for state in states.values() if state.get("template") == "jinja"]
    assert len(templates) >= count, states
    for state in templates:
        name = state["source"].removeprefix("salt://k8s/files/")
        salts = {"pillar": {"k8s_secrets": SERVERS_OF_ALL_KINDS["secrets"]}, "grains": GRAINS}
        assert rendered(name, **salts, **(state.get("context") or {}))
