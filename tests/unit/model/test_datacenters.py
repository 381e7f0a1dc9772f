"""Datacenters: every mistake once with its place and remedy, who is in which, and no secret is shown."""

import copy

import pytest
import yaml

from k8s_lifecycle.model import datacenters, secrets
from k8s_lifecycle.model.spec import InvalidSpecError

SOUND = {
    "servers": ["dc1-*"],
    "monitoring": {"node_exporter": {"tls": True, "basic_auth": True}},
    "consul": {
        "package": {"version": "1.8.7+dfsg1-2+b3"},
        "servers": {"dc1-s-1": "10.11.0.1", "dc1-s-2": "10.11.0.2", "dc1-s-3": "10.11.0.3"},
        "services": {"redis": {"servers": ["dc1-r-*"], "port": 6379, "check": {"tcp": "127.0.0.1:6379"}}},
    },
}
OTHER = {
    "servers": ["dc2-*"],
    "consul": {"package": {"version": "1.22.1-1"}, "servers": {"dc2-s-1": "10.12.0.1"}},
}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
SECRETS = {
    "gossip_key": "A" * 43 + "=",
    "management_token": "0f0e0d0c-0000-4000-8000-000000000000",
    "authority": CERTIFICATE,
    "certificate": CERTIFICATE,
    "key": KEY,
}
BCRYPT = "$2y$12$" + "a" * 53


@pytest.fixture
def load(tmp_path):
    """A function that loads sound datacenters with values at dotted paths of dc1 set, or removed by None."""

    def loaded(other=OTHER, **values):
        spec = copy.deepcopy(SOUND)
        for path, value in values.items():
            *parents, last = path.split(".")
            place = spec
            for key in parents:
                place = place.setdefault(key, {})
            if value is None:
                del place[last]
            else:
                place[last] = value
        (tmp_path / "dc1.yaml").write_text(yaml.safe_dump(spec))
        if other:
            (tmp_path / "dc2.yaml").write_text(yaml.safe_dump(other))
        return datacenters.load(tmp_path)

    return loaded


PROMETHEUS = {
    "servers": {"dc1-mon-1": "10.11.0.5"},
    "environment": "infra",
    "alertmanager": {"webhook": "http://chat.example/"},
}


def prometheus(**values):
    return {"monitoring.prometheus": {**PROMETHEUS, **values}}


MISTAKES = [
    (
        {**prometheus(), "consul": None},
        "monitoring.prometheus",
        "it learns from Consul whom to ask, and there is none",
        "write `consul`, too",
    ),
    (
        prometheus(servers={}),
        "monitoring.prometheus.servers",
        "no server is named",
        "name at least one, or leave out `prometheus`",
    ),
    (
        prometheus(servers={"web-1": "10.11.0.5"}),
        "monitoring.prometheus.servers.web-1",
        "is no server of this datacenter",
        "add it to `servers`",
    ),
    (
        prometheus(servers={"dc1-mon-1": "10.11.0.5", "dc1-mon-2": "10.11.0.5"}),
        "monitoring.prometheus.servers",
        "2 servers have the address 10.11.0.5",
        "write one for each",
    ),
    (
        prometheus(basic_auth=True),
        "monitoring.prometheus.basic_auth",
        "without TLS the password would be sent in clear",
        "write tls: true beside it",
    ),
    (
        prometheus(alertmanager={}),
        "monitoring.prometheus.alertmanager",
        "nobody would be told of alerts",
        "write webhook or email",
    ),
    (
        prometheus(alertmanager={"webhook": "https://user:hunter2@chat.example/"}),
        "monitoring.prometheus.alertmanager.webhook",
        "'https://***@chat.example/' has a user or password in it, and a spec is no place for secrets",
        "write a URL such as http://mirror.example/apt",
    ),
    (
        prometheus(proxy_port=9100),
        "monitoring.prometheus.proxy_port",
        "9100 is the port of node_exporter, too",
        "write another one",
    ),
    (
        prometheus(port=9100),
        "monitoring.prometheus.port",
        "9100 is the port of node_exporter, too",
        "write another one",
    ),
    (
        prometheus(alertmanager={"webhook": "http://chat.example/", "port": 9090}),
        "monitoring.prometheus.alertmanager.port",
        "9090 is the port of Prometheus, too",
        "write another one",
    ),
    (
        prometheus(remote_write="http://central.example/api/v1/write"),
        "monitoring.prometheus.remote_write",
        "'http://central.example/api/v1/write' is not a URL that starts with https://",
        "write a URL such as https://central.example:9090/api/v1/write",
    ),
    (
        {"monitoring.central": {"servers": {"dc1-c-1": "10.11.0.4"}}},
        "monitoring.central",
        "it is watched, and its alerts are sent, by the datacenter's own Prometheus servers",
        "write `monitoring.prometheus`, too",
    ),
    (
        {**prometheus(), "monitoring.central": {"servers": {"dc1-mon-1": "10.11.0.4"}}},
        "monitoring.central.servers.dc1-mon-1",
        "runs the datacenter's own Prometheus already",
        "name another server",
    ),
    (
        {**prometheus(), "monitoring.central": {"servers": {"web-1": "10.11.0.4"}}},
        "monitoring.central.servers.web-1",
        "is no server of this datacenter",
        "add it to `servers`",
    ),
    (
        {"consul.services.redis.exporter": "redis"},
        "consul.services.redis.exporter",
        "there is no Prometheus that could ask it",
        "write `monitoring.prometheus`, too, or leave it out",
    ),
    (
        prometheus(retention="15"),
        "monitoring.prometheus.retention",
        "'15' is not a duration",
        "write a duration such as 15d",
    ),
    (
        prometheus(retention_size="50"),
        "monitoring.prometheus.retention_size",
        "'50' is not a size",
        "write a size such as 50GB",
    ),
    ({"name": "dc9"}, "name", "'dc9' is not the name of the file", "write dc1, or leave it out"),
    ({"servers": []}, "servers", "the list is empty", "write a list of minion globs, at least 1"),
    ({"monitring": {}}, "monitring", "unknown key", "did you mean 'monitoring'?"),
    (
        {"monitoring.node_exporter.tls": False},
        "monitoring.node_exporter.basic_auth",
        "without TLS the password would be sent in clear",
        "write tls: true beside it",
    ),
    (
        {"monitoring.node_exporter.collectors": ["cpu", "textfile"]},
        "monitoring.node_exporter.collectors",
        "textfile is always there by itself",
        "leave it out",
    ),
    (
        {"monitoring.node_exporter.collectors": ["--web.listen"]},
        "monitoring.node_exporter.collectors[0]",
        "'--web.listen' is not a collector of node_exporter",
        "write a collector of node_exporter such as filesystem",
    ),
    (
        {"monitoring.node_exporter.allow_from": ["10.11.0.5"]},
        "monitoring.node_exporter.allow_from[0]",
        "'10.11.0.5' is not the first address of a network; its network is 10.11.0.5/32",
        "write a network such as 10.244.0.0/16",
    ),
    (
        {"monitoring.certificate_ports": ["6443"]},
        "monitoring.certificate_ports[0]",
        "'6443' is not a network address",
        "write a network address such as 127.0.0.1:6443 (host and port)",
    ),
    (
        {"consul.package.version": "1.7.4-1"},
        "consul.package.version",
        "1.7.4-1 is too old: it has no node identities",
        "write 1.8.1 or later",
    ),
    (
        {"consul.package.version": "2-1"},
        "consul.package.version",
        "'2-1' has no three numbers",
        'write one such as "1.22.1-1"',
    ),
    (
        {"consul.servers": {"dc1-s-1": "10.11.0.1", "dc1-s-2": "10.11.0.2"}},
        "consul.servers",
        "2 servers are named: Consul needs a majority",
        "name 1, 3 or 5",
    ),
    (
        {"consul.servers": {"web-1": "10.11.0.1"}},
        "consul.servers.web-1",
        "is no server of this datacenter",
        "add it to `servers`",
    ),
    (
        {"consul.servers.dc1-s-3": "10.11.0.2"},
        "consul.servers",
        "2 servers have the address 10.11.0.2",
        "write one for each",
    ),
    (
        {"consul.servers.dc1-s-3": "10.12.0.1"},
        None,
        "10.12.0.1 is also a Consul server's of dc1",
        "write its own",
    ),
    (
        {"consul.services.node-exporter": SOUND["consul"]["services"]["redis"]},
        "consul.services.node-exporter",
        "is always there by itself",
        "use another name",
    ),
    (
        {"consul.services.redis.check": {"http": "http://127.0.0.1/", "tcp": "127.0.0.1:1"}},
        "consul.services.redis.check",
        "has not exactly one of http and tcp",
        "write one of them",
    ),
    (
        {"consul.kubernetes": {"dc1-prod": ["shop", "re*"]}},
        "consul.kubernetes.dc1-prod[1]",
        "'re*' can be the same name as 'redis' of consul.services",
        "give each name once",
    ),
    (
        {"consul.kubernetes": {"dc1-prod": ["kubernetes"]}},
        "consul.kubernetes.dc1-prod[0]",
        "'kubernetes' can be the same name as 'kubernetes' of what is always there",
        "give each name once",
    ),
    (
        {"consul.kubernetes": {"dc1-prod": ["shop", "shop-*"], "dc1-test": ["test-*", "sho*"]}},
        "consul.kubernetes.dc1-test[1]",
        "'sho*' can be the same name as 'shop' of consul.kubernetes.dc1-prod",
        "give each name once",
    ),
    (
        {"consul.kubernetes": {"dc1-prod": ["*-shop"]}},
        "consul.kubernetes.dc1-prod[0]",
        "'*-shop' is not a service glob",
        'write a service glob such as shop or "shop-*" (lower case letters, digits and '
        "'-'; `*` only at the end)",
    ),
    (
        {"consul.kubernetes": {"dc1-prod": []}},
        "consul.kubernetes.dc1-prod",
        "the list is empty",
        "write a list of service globs, at least 1",
    ),
]


@pytest.mark.parametrize(("values", "path", "wrong", "remedy"), MISTAKES)
def test_one_mistake_gives_one_message(load, values, path, wrong, remedy):
    (problem,) = load(**values).problems
    where = f"dc1.yaml: {path}" if path else "dc2.yaml: consul.servers.dc2-s-1"
    assert (problem.path, problem.wrong, problem.remedy) == (where, wrong, remedy)


def test_a_cluster_that_is_named_must_be_one_of_the_datacenter(load):
    found = load(**{"consul.kubernetes": {"dc1-prod": ["web"], "dc2-prod": ["pay"], "dc1-pord": ["shop"]}})
    assert found.problems == []
    clusters = {"dc1-prod": "dc1", "dc2-prod": "dc2"}
    problems = {one.path: one.wrong for one in datacenters.misplaced_clusters(found, clusters)}
    assert problems == {
        "dc1.yaml: consul.kubernetes.dc2-prod": "is a cluster of dc2",
        "dc1.yaml: consul.kubernetes.dc1-pord": "there is no cluster of that name",
    }


def test_a_server_is_in_one_datacenter_only(load):
    (problem,) = load(other={**OTHER, "servers": ["dc2-*", "dc1-w-*"]}).problems
    assert "can name the same servers as" in problem.wrong


def test_the_place_of_a_server_follows_from_its_id_and_survives_the_pillar(load):
    found = load()
    assert found.problems == []
    place = found.place("dc1-w-1")
    assert place.datacenter.name == "dc1"
    assert place.peers == {"dc2": ["10.12.0.1"]}
    assert datacenters.Place.from_dict(place.to_dict()) == place
    assert found.place("web-1") is None


def test_a_limit_of_a_job_that_there_is_not_is_told(load):
    own = {"monitoring.prometheus": {**PROMETHEUS, "limits": {"api-server": {"samples": 1}}}}
    (problem,) = load(**own).problems
    assert problem.path == "dc1.yaml: monitoring.prometheus.limits.api-server"
    assert "apiserver" in problem.remedy


def test_a_central_prometheus_misses_those_whose_files_say_that_they_send(load):
    central = {"servers": {"dc1-c-1": "10.11.0.4"}}
    sends = {**PROMETHEUS, "remote_write": "https://10.11.0.4:9090/api/v1/write"}
    own = {"monitoring.prometheus": sends, "monitoring.central": central}
    other = {**OTHER, "monitoring": {"prometheus": {**sends, "servers": {"dc2-m-1": "10.12.0.5"}}}}
    place = load(other, **own).place("dc1-c-1")
    assert place.senders == ("dc1", "dc2")
    assert datacenters.Place.from_dict(place.to_dict()) == place
    assert load(other, **own).place("dc1-mon-1").senders == ()
    # One that has a mistake in its file sends on.
    broken = {**other, "consul": {}}
    assert load(broken, **own).place("dc1-c-1").senders == ("dc1", "dc2")
    assert load({**broken, "monitoring": 7}, **own).place("dc1-c-1").senders == ("dc1",)
    assert load(OTHER, **own).place("dc1-c-1").senders == ("dc1",)


def test_only_servers_of_a_broken_datacenter_are_told(load):
    found = load(**{"consul.servers": {}})
    assert found.place("dc1-w-1") is None
    (problem,) = found.problems_for("dc1-w-1")
    assert problem.path == "dc1.yaml: consul.servers"
    assert found.problems_for("dc2-w-1") == []
    assert found.place("dc2-w-1").peers == {}


def test_a_directory_that_is_not_there_is_told(tmp_path):
    (problem,) = datacenters.load(tmp_path / "nothing").problems
    assert problem.wrong == "is not a directory"


def test_secrets_are_read():
    found = secrets.consul({"k8s_secrets": {"consul": SECRETS}})
    assert found.key == KEY
    exporter = secrets.node_exporter({"k8s_secrets": {"node_exporter": {"users": {"prometheus": BCRYPT}}}})
    assert exporter.users == {"prometheus": BCRYPT}
    assert secrets.node_exporter({}).users == {}


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_wrong_with_a_secret_is_told_and_the_secret_is_not(name):
    with pytest.raises(InvalidSpecError) as wrong:
        secrets.consul({"k8s_secrets": {"consul": {**SECRETS, name: "hunter2"}}})
    (problem,) = wrong.value.problems
    assert problem.path == f"pillar k8s_secrets.consul.{name}"
    assert "hunter2" not in str(problem)


def test_a_password_in_the_place_of_its_hash_is_not_shown():
    with pytest.raises(InvalidSpecError) as wrong:
        secrets.node_exporter({"k8s_secrets": {"node_exporter": {"users": {"prometheus": "hunter2"}}}})
    assert "hunter2" not in str(wrong.value)
    assert "htpasswd" in str(wrong.value)


@pytest.mark.parametrize(
    "password",
    ["short", "with space in it", 'with"quote', "with\\backslash", "line\nbreak", "sdb://vault/x?unresolved"],
)
def test_a_password_that_files_could_not_carry_is_refused_and_not_shown(password):
    with pytest.raises(InvalidSpecError) as wrong:
        secrets.prometheus({"k8s_secrets": {"prometheus": {"password": password}}})
    (problem,) = wrong.value.problems
    assert problem.path == "pillar k8s_secrets.prometheus.password"
    assert password not in str(problem)


def test_a_password_that_opens_two_things_is_refused_and_not_shown():
    central = {"authority": CERTIFICATE, "password": "hunter2-hunter2"}
    given = {"node_exporter": "hunter2-hunter2", "password": "another-one", "central": central}
    with pytest.raises(InvalidSpecError) as wrong:
        secrets.prometheus({"k8s_secrets": {"prometheus": given}})
    (problem,) = wrong.value.problems
    assert problem.path == "pillar k8s_secrets.prometheus.central.password"
    assert "`node_exporter`" in problem.wrong
    assert "hunter2" not in str(problem)


def test_missing_secrets_are_all_named():
    with pytest.raises(InvalidSpecError) as wrong:
        secrets.consul({})
    assert [problem.path.rpartition(".")[2] for problem in wrong.value.problems] == list(SECRETS)
