"""Which Services are in Consul, at which addresses, and how well: from what the API says of them."""

import pytest

from k8s_lifecycle.model import kubernetes_services as services
from k8s_lifecycle.model.kubernetes_services import NAME, PORT

NODES = {"w-1": "10.11.0.21", "w-2": "10.11.0.22"}
PLACE = {"cluster": "dc1-prod", "environment": "prod"}


def service(name="web", asked="shop", created="2026-01-01T00:00:00Z", namespace="default", **changes):
    annotations = {NAME: asked, **changes.pop("annotations", {})}
    spec = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}], **changes}
    metadata = {
        "namespace": namespace,
        "name": name,
        "creationTimestamp": created,
        "annotations": annotations,
    }
    return {"metadata": metadata, "spec": spec, "status": {"loadBalancer": {}}}


def slice_(*endpoints, name="web", namespace="default"):
    metadata = {"namespace": namespace, "name": f"{name}-x", "labels": {services.OF_SERVICE: name}}
    return {
        "metadata": metadata,
        "endpoints": [{"nodeName": node, "conditions": conditions} for node, conditions in endpoints],
    }


READY, NOT_READY = {"ready": True}, {"ready": False}


def found(manifests, slices=(), names=("shop", "pay-*")):
    wanted = [services.service(one) for one in manifests]
    parts = [services.endpoints(one) for one in slices]
    return services.instances(wanted, parts, NODES, names, PLACE)


def places(*args, **kwargs):
    instances, refused = found(*args, **kwargs)
    assert refused == {}
    return {(one.address, one.port): one.ready for one in instances}


def test_a_service_is_reached_by_its_port_on_the_nodes_of_its_pods():
    parts = [slice_(("w-1", READY), ("w-1", NOT_READY)), slice_(("w-2", NOT_READY))]
    assert places([service()], parts) == {("10.11.0.21", 30080): True, ("10.11.0.22", 30080): False}
    assert places([service()], [slice_(("w-1", {}), ("stranger", READY))]) == {("10.11.0.21", 30080): True}


def test_a_service_without_pods_is_nowhere():
    assert places([service()]) == {}
    assert places([service()], [{**slice_(), "endpoints": None}]) == {}
    assert places([service()], [slice_(("w-1", READY), namespace="other")]) == {}


def test_addresses_of_its_own_come_first_and_stay_while_nothing_is_ready():
    own = {"externalIPs": ["10.11.0.200"]}
    assert places([service(**own)], [slice_(("w-1", READY))]) == {("10.11.0.200", 80): True}
    assert places([service(**own)]) == {("10.11.0.200", 80): False}
    balanced = service(type="LoadBalancer")
    assert places([balanced], [slice_(("w-1", READY))]) == {("10.11.0.21", 30080): True}
    balanced["status"]["loadBalancer"]["ingress"] = [{"ip": "10.11.0.201"}, {"hostname": "lb.example"}]
    assert places([balanced], [slice_(("w-1", READY))]) == {
        ("10.11.0.201", 80): True,
        ("lb.example", 80): True,
    }


def test_an_instance_says_whose_it_is_and_has_an_id_that_follows_from_that():
    (one,), _ = found([service()], [slice_(("w-1", READY))])
    assert one.meta == {
        "managed-by": "k8s-lifecycle",
        "external-source": "kubernetes",
        "cluster": "dc1-prod",
        "environment": "prod",
        "namespace": "default",
        "kubernetes-service": "web",
    }
    assert one.id == "shop/default/web/10.11.0.21:30080"


TWO_PORTS = [
    {"name": "http", "port": 80, "nodePort": 30080},
    {"name": "metrics", "port": 9090, "nodePort": 31},
]


@pytest.mark.parametrize("asked", ["metrics", "9090"])
def test_of_several_ports_the_annotation_names_one(asked):
    manifest = service(ports=TWO_PORTS, annotations={PORT: asked})
    assert places([manifest], [slice_(("w-1", READY))]) == {("10.11.0.21", 31): True}


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (service(ports=[{"port": 80}]), "nothing outside the cluster reaches it"),
        (service(ports=None), "which port is meant: write one of its own (none)"),
        (service(ports=TWO_PORTS), "write one of its own (http, metrics) as k8s-lifecycle/consul-port"),
        (service(annotations={PORT: "https"}), "write one of its own (80)"),
        (service(asked="redis"), "redis is none of the names"),
        (service(asked="pay"), "pay is none of the names"),
        (service(asked=""), "'' is no service name"),
        (service(asked='pay-"}'), "is no service name"),
    ],
)
def test_what_cannot_be_there_is_told_with_the_reason(manifest, said):
    instances, refused = found([manifest], [slice_(("w-1", READY))])
    assert instances == []
    assert said in refused["default/web"]


def test_who_has_a_name_first_keeps_it():
    late = service(name="web", namespace="a", created="2026-01-02T00:00:00Z")
    parts = [slice_(("w-1", READY)), slice_(("w-2", READY), namespace="a")]
    instances, refused = found([late, service()], parts)
    assert [one.meta["namespace"] for one in instances] == ["default"]
    assert refused == {"a/web": "shop is the name of default/web, which had it first"}


def test_a_name_that_is_refused_is_free_for_another():
    useless = service(name="first", ports=[{"port": 80}])
    instances, refused = found([useless, service(created="2026-01-02T00:00:00Z")], [slice_(("w-1", READY))])
    assert (len(instances), set(refused)) == (1, {"default/first"})


def test_what_asks_for_nothing_is_nothing():
    plain = service()
    plain["metadata"]["annotations"] = None
    assert services.service(plain) is None
    foreign = slice_(("w-1", READY))
    foreign["metadata"]["labels"] = None
    assert services.endpoints(foreign) is None
