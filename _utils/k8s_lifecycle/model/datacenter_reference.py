"""Writes docs/datacenter-reference.md: python -m k8s_lifecycle.model.datacenter_reference."""

from k8s_lifecycle.model.datacenter import Datacenter
from k8s_lifecycle.model.reference import chapters, table
from k8s_lifecycle.model.schema import rows
from k8s_lifecycle.model.secrets import ConsulSecrets, ExporterSecrets, NodeExporterSecrets, PrometheusSecrets

_HEAD = """\
# Datacenter reference

One YAML file per datacenter in the directory of the external pillar `k8s_datacenters`, named after it. The
whole file is checked before anything is done with it; `salt-run k8s.validate` checks it by hand.
[pillar/datacenters](../pillar/datacenters) has complete examples.

`NAME` stands for a name of your choice, `[]` for each item of a list. Keys that are **required** are so where
their section is there.

This page is generated from the code: `make docs`.
"""
_SECRETS = """\
## Secrets

What only some servers may know is in the pillar `k8s_secrets`, which an ordinary pillar SLS gives by minion
id: `k8s_secrets.consul` to Consul servers, `k8s_secrets.prometheus` to Prometheus servers,
`k8s_secrets.exporters` to servers with `consul.services.NAME.exporter`, `k8s_secrets.node_exporter` to each.
No message shows one.
"""
_SECRETS_OF = {
    "consul": ConsulSecrets,
    "node_exporter": NodeExporterSecrets,
    "prometheus": PrometheusSecrets,
    "exporters": ExporterSecrets,
}


def page() -> str:
    """Return the reference page."""
    secrets = [
        line
        for name, cls in _SECRETS_OF.items()
        for line in (f"### k8s_secrets.{name}", "", *table(list(rows(cls))), "")
    ]
    return "\n".join([_HEAD, *chapters(Datacenter, "The datacenter"), _SECRETS, *secrets])


if __name__ == "__main__":
    print(page(), end="")
