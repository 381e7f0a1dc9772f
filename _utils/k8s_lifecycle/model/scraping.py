"""What is taken of a target of Prometheus: so much and no more, and nothing that is others' to say.

A server that is broken, or broken into, must neither fill Prometheus up nor speak for others. A target that
says too much counts as down. https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8s_lifecycle.model.datacenter import LARGER_LIMITS, USUAL_LIMIT, Limit

# More than a site has, or a label says.
_ALWAYS = {
    "target_limit": 5_000,
    "label_limit": 64,
    "label_name_length_limit": 128,
    "label_value_length_limit": 2048,
}
# What Prometheus itself says of targets, and what rules record.
_FORGED = "ALERTS.*|up|.*:.*"
# By every server of itself, and by Consul servers of others.
_OURS, _OF_CONSUL = "k8s_.+", "k8s_consul_.+"
# Most of what an API server shows are histograms, and nothing here uses one. Their sums and counts stay, and
# so do averages.
HISTOGRAMS = ".+_bucket"


def limits(job: str, given: Limit | None) -> dict[str, Any]:
    """Return how much a target of a job may say. given: what the datacenter's file says of it."""
    samples, size = LARGER_LIMITS.get(job, USUAL_LIMIT)
    return {
        "sample_limit": given.samples if given and given.samples else samples,
        "body_size_limit": given.size if given and given.size else size,
        **_ALWAYS,
    }


def relabelled(job: str, consul_servers: Mapping[str, str], *, histograms: bool) -> Iterator[dict[str, Any]]:
    """Yield what becomes of a sample of a job before it is kept. histograms: whether API servers' are."""
    yield _dropped(_FORGED)
    if job != "node":
        yield _dropped(_OURS)
    else:
        yield from _only_of(consul_servers)
    if job == "apiserver" and not histograms:
        yield _dropped(HISTOGRAMS)


def _only_of(consul_servers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield how what Consul servers tell is dropped where another server tells it."""
    believed, names = "__tmp_believed", "|".join(name.replace(".", r"\.") for name in sorted(consul_servers))
    told = {"source_labels": ["__name__", "instance"], "regex": f"{_OF_CONSUL};({names})"}
    yield {**told, "target_label": believed, "replacement": "yes"}
    yield _dropped(f"{_OF_CONSUL};", "__name__", believed)
    yield {"action": "labeldrop", "regex": believed}


def _dropped(regex: str, *labels: str) -> dict[str, Any]:
    return {"action": "drop", "source_labels": list(labels or ("__name__",)), "regex": regex}
