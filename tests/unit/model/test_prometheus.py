"""What Prometheus and Alertmanager are told: whom to ask with what, whom to tell, and no secret."""

import json
import re

import dashboards
import promql
import pytest

from k8s_lifecycle.model import cluster_metrics, consul, datacenters, prometheus
from k8s_lifecycle.model.datacenter import JOBS, LARGER_LIMITS, SENT_ON, USUAL_LIMIT
from k8s_lifecycle.server import monitoring
from k8s_lifecycle.server import prometheus as server_side

SERVERS = {"dc1-mon-1": "10.11.0.5", "dc1-mon-2": "10.11.0.6"}
SPEC = {
    "name": "dc1",
    "servers": ["dc1-*"],
    "consul": {"package": {"version": "1.8.7-2"}, "servers": {"dc1-s-1": "10.11.0.1"}},
}
WEBHOOK = {"webhook": "http://chat.example/"}


def datacenter(exporter=None, **wanted):
    own = {"servers": SERVERS, "environment": "infra", "alertmanager": WEBHOOK, **wanted}
    return datacenters.from_dict({**SPEC, "monitoring": {"prometheus": own, "node_exporter": exporter or {}}})


def jobs(told):
    return {job["job_name"]: job for job in told["scrape_configs"]}


def test_each_job_has_the_file_that_is_made_for_it():
    told = jobs(prometheus.configuration(datacenter(), "dc1-mon-1"))
    assert set(told) == {"node", "prometheus", "alertmanager", "redis", "mysqld"}
    for name, job in told.items():
        assert job["file_sd_configs"] == [{"files": [f"/var/lib/k8s-targets/{name}.json"]}]
    asked = json.loads(server_side.discovery(datacenter(), ()))
    assert (asked["consul"], asked["directory"]) == ("http://127.0.0.1:8500", "/var/lib/k8s-targets")
    assert set(told) <= set(asked["jobs"])


def test_whom_a_job_asks_is_what_the_file_says_and_nobody_who_says_so():
    redis = {"servers": ["dc1-r-*"], "port": 6379, "check": {"tcp": "127.0.0.1:6379"}, "exporter": "redis"}
    couchbase = {**redis, "servers": ["dc1-cb-*", "dc1-x-1"], "port": 18091, "exporter": "couchbase"}
    own = {
        "servers": SERVERS,
        "environment": "infra",
        "alertmanager": {**WEBHOOK, "port": 9999},
        "port": 9998,
    }
    central = {"servers": {"dc1-c-1": "10.11.0.4"}}
    services = {**SPEC["consul"], "services": {"cache": redis, "sessions": couchbase}}
    monitoring = {"prometheus": own, "central": central, "node_exporter": {"port": 9101}}
    found = datacenters.from_dict({**SPEC, "consul": services, "monitoring": monitoring})
    assert prometheus.asked(found) == {
        "node": [{"servers": ["dc1-*"], "port": 9101}],
        "prometheus": [{"servers": ["dc1-mon-1", "dc1-mon-2"], "port": 9998}],
        "alertmanager": [{"servers": ["dc1-mon-1", "dc1-mon-2"], "port": 9999}],
        "central": [{"servers": ["dc1-c-1"], "port": 9090}],
        "redis": [{"servers": ["dc1-r-*"], "port": 9121}],
        "mysqld": [],
        "couchbase": [{"servers": ["dc1-cb-*", "dc1-x-1"], "port": 18091}],
    }


def test_two_are_told_apart_but_their_alerts_are_not():
    first, second = (prometheus.configuration(datacenter(), server) for server in SERVERS)
    assert first["global"]["external_labels"] == {
        "datacenter": "dc1",
        "environment": "infra",
        "replica": "dc1-mon-1",
    }
    assert second["global"]["external_labels"]["replica"] == "dc1-mon-2"
    assert first["alerting"]["alert_relabel_configs"] == [{"action": "labeldrop", "regex": "replica"}]
    for told in (first, second):
        (alertmanagers,) = told["alerting"]["alertmanagers"]
        assert alertmanagers["static_configs"] == [{"targets": ["10.11.0.5:9093", "10.11.0.6:9093"]}]


def behind(password_file, authority=prometheus.AUTHORITY, user="prometheus"):
    """With what somebody is asked who has TLS and asks for a password."""
    return {
        "scheme": "https",
        "tls_config": {"ca_file": authority},
        "basic_auth": {"username": user, "password_file": password_file},
    }


AGENT, OWN = behind(prometheus.NODE_EXPORTER_PASSWORD), behind(prometheus.PASSWORD)
TO_CENTRAL = behind(prometheus.CENTRAL_PASSWORD, prometheus.CENTRAL_AUTHORITY, "dc1")


@pytest.mark.parametrize(
    ("exporter", "own", "wanted"),
    [
        ({}, {}, {}),
        ({"tls": True, "basic_auth": True}, {}, {"node": AGENT}),
        ({}, {"tls": True, "basic_auth": True}, {"prometheus": OWN, "alertmanager": OWN, "to tell": OWN}),
    ],
)
def test_what_is_behind_tls_and_a_password_is_asked_with_its_own(exporter, own, wanted):
    told = prometheus.configuration(datacenter(exporter, **own), "dc1-mon-1")
    asked = {**jobs(told), "to tell": told["alerting"]["alertmanagers"][0]}
    found = {name: {key: how[key] for key in AGENT if key in how} for name, how in asked.items()}
    assert {name: how for name, how in found.items() if how} == wanted


def test_a_password_follows_no_redirect():
    told = prometheus.configuration(datacenter({"tls": True, "basic_auth": True}), "dc1-mon-1")
    assert {job["follow_redirects"] for job in told["scrape_configs"]} == {False}


def test_whom_alertmanager_tells():
    email = {"to": "on-call@example.com", "sender": "dc1@example.com", "relay": "mail.example:25"}
    wanted = {**WEBHOOK, "email": email, "watchdog": "http://deadman.example/"}
    found = datacenter(alertmanager=wanted).monitoring.prometheus
    told = prometheus.alertmanager(found.alertmanager)
    receivers = {receiver["name"]: receiver for receiver in told["receivers"]}
    assert receivers["people"]["webhook_configs"] == [{"url": "http://chat.example/"}]
    assert receivers["people"]["email_configs"] == [
        {"to": "on-call@example.com", "from": "dc1@example.com", "smarthost": "mail.example:25"}
    ]
    (watchdog,) = told["route"]["routes"]
    assert receivers[watchdog["receiver"]]["webhook_configs"][0]["url"] == "http://deadman.example/"


def test_without_its_url_nobody_is_told_of_the_watchdog():
    told = prometheus.alertmanager(datacenter().monitoring.prometheus.alertmanager)
    receivers = {receiver["name"]: receiver for receiver in told["receivers"]}
    assert receivers[told["route"]["routes"][0]["receiver"]] == {"name": "nobody"}


def test_alertmanagers_tell_each_other_and_a_lone_one_does_not_listen_for_others():
    options = server_side.alertmanager_options(datacenter().monitoring.prometheus, "dc1-mon-1")
    assert "--cluster.listen-address=10.11.0.5:9094" in options
    assert "--cluster.peer=10.11.0.6:9094" in options
    lone = datacenter(servers={"dc1-mon-1": "10.11.0.5"}).monitoring.prometheus
    options = server_side.alertmanager_options(lone, "dc1-mon-1")
    assert "--cluster.listen-address=" in options
    assert not any("--cluster.peer" in option for option in options)


def test_how_much_is_kept():
    options = server_side.options(
        datacenter(retention="30d", retention_size="9GB").monitoring.prometheus, tls=False
    )
    assert {"--storage.tsdb.retention.time=30d", "--storage.tsdb.retention.size=9GB"} <= set(options)
    assert not any(
        "size" in option for option in server_side.options(datacenter().monitoring.prometheus, tls=False)
    )


def test_only_on_the_servers_that_are_named():
    assert server_side.desired(datacenter(), "dc1-w-1") is None
    assert server_side.desired(datacenters.from_dict(SPEC), "dc1-mon-1") is None
    assert json.dumps(server_side.desired(datacenter(), "dc1-mon-2"))


def test_the_firewall_lets_prometheus_servers_and_those_that_are_named_in():
    found = datacenter({"allow_from": ["10.11.0.0/24"]}, allow_from=["10.8.0.0/24"])
    text = monitoring.desired(found, "dc1-mon-1", None)["firewall"]
    assert "tcp dport 9100 ip saddr { 10.11.0.0/24 } accept" in text
    for port in (9090, 9093):
        assert f"tcp dport {port} ip saddr {{ 10.8.0.0/24, 10.11.0.5/32, 10.11.0.6/32 }} accept" in text
        assert f"tcp dport {port} drop" in text
    for protocol in ("tcp", "udp"):
        assert f"{protocol} dport 9094 ip saddr {{ 10.11.0.5/32, 10.11.0.6/32 }} accept" in text
        assert f"{protocol} dport 9094 drop" in text
    elsewhere = monitoring.desired(found, "dc1-w-1", None)["firewall"]
    assert "9090" not in elsewhere
    assert monitoring.desired(datacenter(), "dc1-w-1", None)["firewall"] is None


CLUSTER = cluster_metrics.Cluster("prod", "prod", "10.11.0.100:8443")


def test_only_prometheus_servers_reach_the_proxy_on_control_planes():
    def text(role):
        place = consul.Membership("prod", "prod", role, None)
        return monitoring.desired(datacenter(), "dc1-cp-1", place)["firewall"]

    assert "tcp dport 10280 ip saddr { 10.11.0.5/32, 10.11.0.6/32 } accept" in text("control-plane")
    assert "tcp dport 10280 drop" in text("control-plane")
    assert text("worker") is None


def test_the_proxy_is_on_control_planes_that_have_a_cluster(tmp_path):
    authority = tmp_path / "ca.crt"
    control_plane, worker = (
        consul.Membership("prod", "prod", role, None) for role in ("control-plane", "worker")
    )
    assert monitoring.metrics_proxy(datacenter(), control_plane, authority) is None
    authority.touch()
    assert monitoring.metrics_proxy(datacenter(), control_plane, authority)["port"] == 10280
    assert monitoring.metrics_proxy(datacenter(), worker, authority) is None
    assert monitoring.metrics_proxy(datacenter(), None, authority) is None
    assert monitoring.metrics_proxy(datacenters.from_dict(SPEC), control_plane, authority) is None


def relabelled(job, **labels):
    """The address and labels of a target, as far as these jobs go; None where it is not asked."""
    for rule in job["relabel_configs"]:
        value = ";".join(labels.get(name, "") for name in rule.get("source_labels", ()))
        found = re.fullmatch(rule.get("regex", "(.*)"), value)
        if rule.get("action") == "keep":
            if not found:
                return None
        else:
            labels[rule["target_label"]] = found.expand(rule["replacement"].replace("${1}", r"\1"))
    return labels


def test_each_cluster_is_asked_for_all_that_kubernetes_shows_with_its_own_certificate():
    told = prometheus.configuration(datacenter(), "dc1-mon-1", [CLUSTER])
    asked = {name: job for name, job in jobs(told).items() if name.startswith("prod/")}
    target = {"__address__": "10.11.0.11:9100", "cluster": "prod"}
    found = {
        job["metrics_path"]: (relabelled(job, **target, role="control-plane") or {}).get("__address__")
        for name, job in asked.items()
        if name not in ("prod/kubelet", "prod/coredns", "prod/apiserver")
    }
    assert found == {
        "/metrics/cadvisor": "10.11.0.11:10250",
        "/etcd/metrics": "10.11.0.11:10280",
        "/kube-controller-manager/metrics": "10.11.0.11:10280",
        "/kube-scheduler/metrics": "10.11.0.11:10280",
    }
    assert relabelled(asked["prod/apiserver"], **target, role="control-plane") == {
        "__address__": "10.11.0.11:6443",
        "cluster": "prod",
        "role": "control-plane",
        "job": "apiserver",
    }
    workers = [name for name, job in asked.items() if relabelled(job, **target, role="worker")]
    assert workers == ["prod/kubelet", "prod/cadvisor", "prod/coredns"]
    kubelet = relabelled(asked["prod/kubelet"], **target, role="worker")
    assert kubelet == {
        "__address__": "10.11.0.11:10250",
        "cluster": "prod",
        "role": "worker",
        "job": "kubelet",
    }
    assert not any(
        relabelled(asked[f"prod/{name}"], **target, role="spare") for name in ("kubelet", "cadvisor")
    )
    assert not any(
        relabelled(job, **{**target, "cluster": "prod-2"}, role="worker") for job in asked.values()
    )
    for name, job in asked.items():
        assert (job["scheme"], job["follow_redirects"]) == ("https", False)
        tls = dict(job["tls_config"])
        is_proxied = name.rpartition("/")[2] in cluster_metrics.PROXIED
        assert tls.pop("server_name", None) == (cluster_metrics.PROXY_NAME if is_proxied else None)
        assert tls == {
            "ca_file": "/etc/prometheus/k8s/clusters/prod.ca",
            "cert_file": "/etc/prometheus/k8s/clusters/prod.crt",
            "key_file": "/etc/prometheus/k8s/clusters/client.key",
        }
    files = {name: job["file_sd_configs"][0]["files"] for name, job in asked.items()}
    assert files["prod/coredns"] == ["/var/lib/k8s-targets/coredns-prod.json"]
    assert files["prod/etcd"] == ["/var/lib/k8s-targets/node.json"]


def with_central(**wanted):
    own = {"servers": SERVERS, "environment": "infra", "alertmanager": WEBHOOK, **wanted}
    central = {"servers": {"dc1-c-1": "10.11.0.4"}, "allow_from": ["10.12.0.5/32"]}
    return datacenters.from_dict({**SPEC, "monitoring": {"prometheus": own, "central": central}})


def test_figures_are_sent_on_as_the_user_of_the_datacenter():
    url = "https://10.11.0.4:9090/api/v1/write"
    (sent,) = prometheus.configuration(datacenter(remote_write=url), "dc1-mon-1")["remote_write"]
    assert sent["url"] == url
    assert sent["basic_auth"] == {"username": "dc1", "password_file": prometheus.CENTRAL_PASSWORD}
    assert sent["tls_config"] == {"ca_file": prometheus.CENTRAL_AUTHORITY}
    assert sent["follow_redirects"] is False
    assert "remote_write" not in prometheus.configuration(datacenter(), "dc1-mon-1")


def kept(rules, **labels):
    """The labels of a sample after a job's rules; None where it is dropped."""
    for rule in rules:
        value = ";".join(labels.get(name, "") for name in rule.get("source_labels", ()))
        found = re.fullmatch(rule["regex"], value)
        match rule.get("action", "replace"):
            case "keep" if not found:
                return None
            case "drop" if found:
                return None
            case "replace" if found:
                labels[rule["target_label"]] = found.expand(rule["replacement"])
            case "labeldrop":
                labels = {
                    name: text for name, text in labels.items() if not re.fullmatch(rule["regex"], name)
                }
    return labels


def asked_of_all():
    """Each job, by the name that rules know it by, where there is everything."""
    found = with_couchbase()
    central = datacenters.from_dict({**found.to_dict(), "monitoring": with_central().to_dict()["monitoring"]})
    told = prometheus.configuration(central, "dc1-mon-1", [CLUSTER])
    return {name.rpartition("/")[2]: job for name, job in jobs(told).items()}


def test_no_target_can_fill_prometheus_up():
    asked = asked_of_all()
    assert sorted(asked) == sorted(JOBS)
    for name, job in asked.items():
        assert job["sample_limit"] == LARGER_LIMITS.get(name, USUAL_LIMIT)[0]
        assert job["body_size_limit"] == LARGER_LIMITS.get(name, USUAL_LIMIT)[1]
        assert {name for name in job if name.endswith("_limit")} == {
            "sample_limit",
            "body_size_limit",
            "target_limit",
            "label_limit",
            "label_name_length_limit",
            "label_value_length_limit",
        }
    limits = {"node": {"samples": 7}, "etcd": {"size": "1MB"}}
    told = prometheus.configuration(datacenter(limits=limits), "dc1-mon-1", [CLUSTER])
    assert jobs(told)["node"]["sample_limit"] == 7
    assert jobs(told)["node"]["body_size_limit"] == USUAL_LIMIT[1]
    etcd = jobs(told)["prod/etcd"]
    assert (etcd["sample_limit"], etcd["body_size_limit"]) == (USUAL_LIMIT[0], "1MB")


def test_no_target_speaks_for_others():
    for name, job in asked_of_all().items():
        rules = job["metric_relabel_configs"]
        for forged in ("ALERTS", "ALERTS_FOR_STATE", "up", "instance:consul_member_failed:max"):
            assert kept(rules, __name__=forged, instance="dc1-s-1") is None, name
        ours = {"__name__": "k8s_kubelet_healthy", "instance": "dc1-w-1"}
        assert kept(rules, **ours) == (ours if name == "node" else None), name
    rules = asked_of_all()["node"]["metric_relabel_configs"]
    told = {"__name__": "k8s_consul_member_failed", "member": "dc1-w-1"}
    assert kept(rules, **told, instance="dc1-s-1") == {**told, "instance": "dc1-s-1"}
    assert kept(rules, **told, instance="dc1-s-10") is None
    assert kept(rules, **told, instance="dc1-w-2") is None


def test_nothing_that_rules_or_dashboards_use_is_dropped():
    of = {"apiserver": "apiserver_", "coredns": "coredns_", "etcd": "etcd_", "node": ("node_", "k8s_")}
    for name, beginning in of.items():
        rules = asked_of_all()[name]["metric_relabel_configs"]
        used = {one for one in promql.used() | dashboards.used() if one.startswith(beginning)}
        assert used
        assert all(kept(rules, __name__=one, instance="dc1-s-1") for one in used)


def test_histograms_of_api_servers_are_kept_where_the_file_says_so():
    bucket = {"__name__": "apiserver_request_duration_seconds_bucket", "le": "1"}
    for wanted in (False, True):
        told = prometheus.configuration(datacenter(apiserver_histograms=wanted), "dc1-mon-1", [CLUSTER])
        rules = jobs(told)["prod/apiserver"]["metric_relabel_configs"]
        assert (kept(rules, **bucket) is not None) == wanted
        assert kept(rules, __name__="apiserver_request_duration_seconds_sum")
        assert kept(jobs(told)["prod/etcd"]["metric_relabel_configs"], **bucket)


def test_what_dashboards_show_is_sent_on_and_nothing_else_by_default():
    def sent(**how):
        found = datacenter(remote_write="https://10.11.0.4:9090/api/v1/write", **how)
        (central,) = prometheus.configuration(found, "dc1-mon-1")["remote_write"]
        return lambda name: kept(central["write_relabel_configs"], __name__=name) is not None

    recorded = {rule["record"] for rule in promql.rules() if "record" in rule}
    assert all(map(sent(), dashboards.used() | recorded))
    patterns = {name for name in SENT_ON if "*" in name}
    assert {*SENT_ON} - patterns == {
        name for name in dashboards.used() if ":" not in name and not name.startswith("k8s_")
    }
    assert not any(map(sent(), ("node_load5", "go_goroutines", "apiserver_request_total", "xk8s_a")))
    assert sent(remote_write_metrics=["*"])("go_goroutines")
    assert not sent(remote_write_metrics=["go_*"])("up")


def test_the_central_one_takes_figures_asks_nobody_and_has_its_own_rules():
    want = server_side.desired(with_central(), "dc1-c-1")
    assert "--web.enable-remote-write-receiver" in want["options"]
    assert any(option.startswith("--web.config.file=") for option in want["options"])
    assert (want["rules"], want["alertmanager"], want["discovery"]) == (["central"], None, None)
    told = prometheus.central(with_central())
    assert "scrape_configs" not in told
    assert told["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == [
        "10.11.0.5:9093",
        "10.11.0.6:9093",
    ]
    own = server_side.desired(with_central(), "dc1-mon-1")
    assert not any("receiver" in option for option in own["options"])
    assert "central" not in own["rules"]


def test_the_central_one_is_watched_as_the_user_of_the_datacenter():
    job = jobs(prometheus.configuration(with_central(), "dc1-mon-1"))["central"]
    assert job.items() >= TO_CENTRAL.items()
    want = server_side.desired(with_central(), "dc1-mon-1")
    assert (want["knows_central"], want["asks_with_password"], want["asks_with_tls"]) == (True, False, False)


def test_the_firewall_of_the_central_one():
    text = monitoring.desired(with_central(), "dc1-c-1", None)["firewall"]
    assert "tcp dport 9090 ip saddr { 10.11.0.5/32, 10.11.0.6/32, 10.12.0.5/32 } accept" in text
    assert "tcp dport 9090 drop" in text
    assert "9093" not in text


def test_what_is_not_told_is_of_alerts_that_there_are():
    told = prometheus.alertmanager(datacenter().monitoring.prometheus.alertmanager)
    matchers = [
        matcher
        for rule in told["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        if matcher.startswith("alertname")
    ]
    named = {name for matcher in matchers for name in matcher.split('"')[1].split("|")}
    rules = list(promql.rules())
    assert named <= {rule.get("alert") for rule in rules}
    assert len(named) > len(told["inhibit_rules"])


def with_couchbase():
    check = {"tcp": "127.0.0.1:18091"}
    service = {"servers": ["dc1-cb-*"], "port": 18091, "check": check, "exporter": "couchbase"}
    own = {"servers": SERVERS, "environment": "infra", "alertmanager": WEBHOOK}
    asked = {**SPEC["consul"], "services": {"sessions": service}}
    return datacenters.from_dict({**SPEC, "consul": asked, "monitoring": {"prometheus": own}})


def test_couchbase_is_asked_itself_with_tls_and_its_own_password():
    found = with_couchbase()
    job = jobs(prometheus.configuration(found, "dc1-mon-1"))["couchbase"]
    assert job["scheme"] == "https"
    assert job["tls_config"] == {"ca_file": prometheus.AUTHORITY}
    assert job["basic_auth"] == {"username": "prometheus", "password_file": prometheus.COUCHBASE_PASSWORD}
    want = server_side.desired(found, "dc1-mon-1")
    assert (want["asks_couchbase"], want["asks_with_tls"], want["asks_with_password"]) == (True, True, False)
    assert "couchbase" not in jobs(prometheus.configuration(datacenter(), "dc1-mon-1"))
    assert not server_side.desired(datacenter(), "dc1-mon-1")["asks_couchbase"]


def test_couchbase_is_registered_with_its_metrics_and_has_no_exporter_beside_it():
    found = with_couchbase()
    services = {one["name"]: one for one in consul.services(found, "dc1-cb-1", None)}
    assert set(services) == {"node-exporter", "sessions", "couchbase-metrics"}
    assert services["couchbase-metrics"]["port"] == 18091
    assert consul.exporters(found, "dc1-cb-1") == {}
    assert [one["name"] for one in consul.services(found, "dc1-w-1", None)] == ["node-exporter"]
