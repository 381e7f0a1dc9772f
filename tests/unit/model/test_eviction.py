"""What a drain does with each kind of pod, and what it makes of the API server's answers."""

from datetime import UTC, datetime

import pytest

from k8s_lifecycle.model.eviction import Fate, Options, Said, Sight, budgets_of, heard, judge, selects
from k8s_lifecycle.model.hold import Hold, moment

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
HOLD = Hold("drain", "run-1", "ann", "disk", moment(-600, NOW), moment(600, NOW))
GOES, STAYS, FORBIDDEN = Fate.GOES, Fate.STAYS, Fate.FORBIDDEN
FORCE, LOCAL, NO_WAIT = (
    Options(force=True),
    Options(delete_emptydir_data=True),
    Options(skip_wait_for_delete_timeout=60),
)
EMPTY_DIR = {"name": "scratch", "emptyDir": {}}
EVERYTHING = {"operator": "Exists"}
CORDON = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}


def pod(
    owner="ReplicaSet",
    version="apps/v1",
    phase="Running",
    volumes=(),
    created=-3600,
    ending=None,
    tolerations=(),
    **metadata,
):
    owners = [{"controller": True, "apiVersion": version, "kind": owner, "name": "web"}] if owner else []
    times = {"creationTimestamp": moment(created, NOW)}
    if ending is not None:
        times["deletionTimestamp"] = moment(-ending, NOW)
    return {
        "metadata": {"namespace": "shop", "name": "p", "ownerReferences": owners, **times, **metadata},
        "spec": {"volumes": list(volumes), "tolerations": list(tolerations)},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("found", "options", "fate"),
    [
        (pod(), Options(), GOES),
        (pod("StatefulSet"), Options(), GOES),
        (pod("Job", phase="Succeeded"), Options(), GOES),
        (pod(None, annotations={"kubernetes.io/config.mirror": "x"}), Options(), STAYS),
        # A pod of a DaemonSet comes again; one whose DaemonSet is gone does not.
        (pod("DaemonSet"), Options(), STAYS),
        (pod("DaemonSet", volumes=[EMPTY_DIR]), Options(), STAYS),
        (pod("DaemonSet", namespace="other"), Options(), FORBIDDEN),
        (pod("DaemonSet", namespace="other"), FORCE, GOES),
        (pod("DaemonSet", phase="Failed"), Options(), GOES),
        # Nothing is lost unless asked for by name.
        (pod(None), Options(), FORBIDDEN),
        (pod(None), FORCE, GOES),
        (pod(None, phase="Succeeded"), Options(), GOES),
        (pod(volumes=[EMPTY_DIR]), Options(), FORBIDDEN),
        (pod(volumes=[EMPTY_DIR]), FORCE, FORBIDDEN),
        (pod(volumes=[EMPTY_DIR]), LOCAL, GOES),
        (pod(volumes=[EMPTY_DIR], phase="Failed"), Options(), GOES),
        (pod(None, volumes=[EMPTY_DIR]), LOCAL, FORBIDDEN),
        # Another kind of DaemonSet has no pods that come again on this node: it is as any controller.
        (pod("DaemonSet", version="apps.kruise.io/v1"), Options(), GOES),
        # What is ending is waited for, whatever it is.
        (pod(None, ending=5), Options(), GOES),
        (pod("DaemonSet", namespace="other", ending=5), Options(), GOES),
        (pod(volumes=[EMPTY_DIR], ending=5), Options(), GOES),
        # One that has been ending for long is waited for, unless asked otherwise.
        (pod(ending=3600), Options(), GOES),
        (pod(ending=3600), NO_WAIT, STAYS),
        (pod(ending=30), NO_WAIT, GOES),
        # One that ignores the cordon would come again for ever; what was there before it goes.
        (pod(created=-60, tolerations=[CORDON]), Options(), STAYS),
        (pod(created=-60, tolerations=[EVERYTHING]), Options(), STAYS),
        (pod(created=-60), Options(), GOES),
        (pod(created=-3600, tolerations=[EVERYTHING]), Options(), GOES),
    ],
)
def test_what_becomes_of_a_pod(found, options, fate):
    assert judge(found, Sight(options, {("shop", "web")}, HOLD, NOW)).fate is fate


def test_before_the_cordon_nothing_ignores_it():
    found = pod(created=-60, tolerations=[EVERYTHING])
    assert judge(found, Sight(Options(), (), None, NOW)).fate is GOES


@pytest.mark.parametrize(
    ("status", "message", "causes", "said"),
    [
        (404, "pods p not found", (), Said.DONE),
        (
            429,
            "Cannot evict pod as it would violate the pod's disruption budget.",
            ("DisruptionBudget",),
            Said.LATER,
        ),
        (429, "too many requests", (), Said.LATER),
        (409, "the UID in the precondition does not match", (), Said.LATER),
        (403, "unable to create new content in namespace shop", ("NamespaceTerminating",), Said.LATER),
        (403, "DisruptedPods map too big", ("DisruptionBudget",), Said.LATER),
        (403, "not allowed", (), Said.NEVER),
        (422, "invalid", (), Said.NEVER),
        (500, "This pod has more than one PodDisruptionBudget, which is not supported.", (), Said.NEVER),
        (500, "etcdserver: request timed out", (), Said.LATER),
        (504, "timed out", (), Said.LATER),
    ],
)
def test_what_an_answer_means(status, message, causes, said):
    assert heard(status, message, causes) is said


@pytest.mark.parametrize(
    ("selector", "yes"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchLabels": {"app": "web", "tier": "x"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_what_a_selector_selects(selector, yes):
    assert selects(selector, {"app": "web"}) is yes


def test_budgets_count_for_pods_that_run():
    budget = {"metadata": {"namespace": "shop", "name": "web"}, "spec": {"selector": {}}}
    elsewhere = {"metadata": {"namespace": "other", "name": "web"}, "spec": {"selector": {}}}
    assert budgets_of(pod(), [budget, elsewhere]) == [budget]
    for ignored in (pod(phase="Succeeded"), pod(phase="Pending"), pod(ending=5)):
        assert budgets_of(ignored, [budget]) == []
