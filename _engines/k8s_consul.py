"""Give servers what they ask for, and forget in Consul those whose key was deleted.

Master configuration:

.. code-block:: yaml

    engines:
      - k8s_consul: {}
    reactor:
      - k8s/consul/ask:
        - salt://k8s/reactor/consul.sls
      - k8s/prometheus/ask:
        - salt://k8s/reactor/consul.sls
      - salt/key:
        - salt://k8s/reactor/key.sls

The reactor notes which server is meant. This engine asks the server itself, by a job, whether it waits: for
the credentials of Consul's agent, which a Consul server of its datacenter makes and seals; on a Prometheus
server, for certificates of clusters, which a control plane of each signs. It hands over what was made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from typing import Any

from k8s_lifecycle.action import agents, site
from k8s_lifecycle.action.asks import Asks
from k8s_lifecycle.action.salt_fleet import SaltFleet
from k8s_lifecycle.action.scheduler import Scheduler, Task

log = logging.getLogger(__name__)

__virtualname__ = "k8s_consul"
__opts__: Mapping[str, Any]

_AGAIN_AFTER = 5.0


def __virtual__() -> str | tuple[bool, str]:
    return __virtualname__ if __opts__["__role"] == "master" else (False, "k8s_consul runs on the master")


def start(interval: float = 0.5) -> None:
    """Serve for ever. What goes wrong in one turn is logged, and the next one comes.

    interval
        For how many seconds to rest between two looks at who asks. Default: 0.5.
    """
    asks = Asks(site.consul_asks(__opts__))
    while True:
        pause = interval
        try:
            if asks.begin():
                _serve(asks)
        except Exception:  # whatever a turn could not do is still noted
            log.exception("serving Consul's agents")
            pause = _AGAIN_AFTER
        time.sleep(pause)


def _serve(asks: Asks) -> None:
    with SaltFleet(__opts__) as fleet:

        def batch(asked: Collection[str]) -> Task:
            found, clusters = site.datacenters(__opts__), site.catalogue(__opts__)
            return agents.serve(found, clusters, fleet.known(), asked, asks.ended)

        Scheduler(fleet).run(asks.serve(batch))
