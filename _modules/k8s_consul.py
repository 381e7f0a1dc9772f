"""Consul on one server: how its agent is admitted to its datacenter, and how a gone server is forgotten.

A server that has no credentials makes a key pair (the state ``k8s_consul.admitted``) and asks; the engine
``k8s_consul`` on the master has a Consul server make a token for it and seal it to that key (``mint``), and
hands over the box (``accept``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from k8s_lifecycle.discovery import acl, admission, files, layout
from k8s_lifecycle.discovery import cluster as clusters
from k8s_lifecycle.discovery import gossip as gossips
from k8s_lifecycle.discovery import quorum as quorums
from k8s_lifecycle.discovery.agent import Agent
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.failures import told
from k8s_lifecycle.model import secrets
from k8s_lifecycle.model.datacenters import Place
from k8s_lifecycle.server import services

__virtualname__ = "k8s_consul"
__opts__: Mapping[str, Any]
__pillar__: Mapping[str, Any]


def desired(assignment: Mapping[str, Any], cluster: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what the SLS lay out on this server besides the agent's own configuration. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.
    cluster
        The pillar ``k8s`` of a server that is in a cluster. Default: None.

    Returns a mapping:

    elected
        On a control plane server: the text of the configuration of the process that writes for the whole
        cluster (``k8s-elected``). None where nothing is asked of it. A server that has it keeps it, since it
        takes back what is not asked for any more.
    path, code
        Where that process finds its Python package, and which version of it is there.
    pods_dns
        On a node whose pods ask Consul: the text of a file for nft, so that nobody else reaches that address.
    dnsmasq, resolved
        Whether this server's dnsmasq or systemd-resolved is told of Consul.

    Raises InvalidSpecError if the spec is not valid.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_consul.desired '{name: dc1, spec: {...}, peers: {}}'
    """
    return layout.desired(Place.from_dict(assignment).datacenter, __opts__["id"], cluster or {})


def drift(timeout: float = 0) -> dict[str, Any]:
    """Return where this control plane server's cluster is not in Consul as asked for. Changes nothing.

    What the elected control plane server has not done yet it does within seconds; the rest is for people.

    timeout
        For how many seconds to wait until there is nothing left for the elected one. Default: 0, one look.

    Returns a mapping: ``elected`` (who is, None where nobody is), ``late`` (what is not as it is asked for, a
    list: instances of services by their ids, CoreDNS' Corefile), ``left`` (what somebody has to put right, a
    list of sentences: Services that cannot be in Consul, with the reason).

    Raises an error if the API server or Consul's agent on this server does not answer or refuses, or this
    server has no such process.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_consul.drift
    """
    with told("looking at the cluster's services in Consul"):
        return clusters.drift(timeout)


def waiting() -> str | None:
    """Return the public key of a server that waits for its credentials. Changes nothing.

    The master asks this before it acts: an event can be forged, the answer to a job cannot.

    Returns the public half of the key pair (X25519, base64); None if it waits for nothing.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-3 k8s_consul.waiting
    """
    return admission.requested()


def mint(
    server: str, datacenter: str, services: Sequence[str], public: str, cluster: str | None = None
) -> str:
    """Make the token of one server's agent on this Consul server, and seal it to the server's key.

    The token may register this one node and these services, and look up others. A server has one token: it
    is changed where it allows something else. A control plane of a cluster whose Services are in Consul gets
    a second one, which may write those.
    https://developer.hashicorp.com/consul/docs/secure/acl/token

    server
        The minion id of the server, which is its node's name.
    datacenter
        The name of the datacenter, for which this Consul server must be one.
    services
        The names of the services that it may register, a list.
    public
        The public key that ``k8s_consul.waiting`` returned on the server.
    cluster
        The cluster whose Services it may write. Default: None.

    Returns the sealed box: the token, the gossip key and the authority's certificate.

    Raises an error if this is no Consul server of the datacenter, its agent does not answer or refuses, its
    ACLs are not set up yet, or ``public`` is no key.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_consul.mint dc1-w-3 dc1 '[node-exporter]' 'mK8...'
    """
    with told(f"making a token of Consul for {server}"):
        agent, access = _access(datacenter)
        applicant = admission.Applicant(datacenter, server, tuple(services), public, cluster)
        return admission.mint(agent, access, applicant)


def accept(box: str) -> bool:
    """Open the box with this server's credentials and keep them; the key that opens it is destroyed.

    box
        What ``k8s_consul.mint`` returned.

    Returns True.

    Raises an error if this server asked for nothing, or the box is for another server, datacenter or purpose,
    is out of date, or was changed on its way.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-3 k8s_consul.accept 'eyJ...'
    """
    with told("accepting the credentials of Consul's agent"):
        admission.accept(box, __opts__["id"])
        return True


def forget(server: str, datacenter: str) -> list[str]:
    """Revoke the token of a server that is gone, and take it out of the catalogue, on this Consul server.

    server
        The minion id of the server.
    datacenter
        The name of the datacenter, for which this Consul server must be one.

    Returns what there was of it, a list: token, member, node. Empty if there was nothing.

    Raises an error if this is no Consul server of the datacenter, or its agent does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_consul.forget dc1-w-3 dc1
    """
    with told(f"forgetting {server} in Consul"):
        agent, _ = _access(datacenter)
        return acl.forget(agent, datacenter, server)


def gossip(datacenter: str) -> dict[str, Any]:
    """Return where the change to the gossip key in this Consul server's pillar stands. Changes nothing.

    datacenter
        The name of the datacenter, for which this Consul server must be one.

    Returns a mapping, with no key in it: key (a digest, by which keys are compared), members (how many the
    datacenter has), have and use (how many of them the key), others (whether another is known, too), wan
    (whether this server ``uses`` it between datacenters, only ``has`` it, or ``none``), gone (members that
    are not alive).

    Raises an error if this is no Consul server of the datacenter, or its agent does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_consul.gossip dc1
    """
    with told("looking at the gossip key"):
        agent, _ = _access(datacenter)
        return gossips.look(agent, secrets.consul(__pillar__).gossip_key)


def change_gossip_key(step: str, datacenter: str) -> bool:
    """Take one step to the gossip key in this Consul server's pillar; ``k8s.rotate_gossip_key`` takes all.

    step
        ``install``: all members learn it. ``use``: they use it. ``remove``: they forget all others.
    datacenter
        The name of the datacenter, for which this Consul server must be one.

    Returns True.

    Raises an error if this is no Consul server of the datacenter, its agent does not answer or refuses, or
    there is no such step.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_consul.change_gossip_key install dc1
    """
    with told(f"changing the gossip key ({step})"):
        agent, _ = _access(datacenter)
        gossips.change(agent, step, secrets.consul(__pillar__).gossip_key)
        return True


def quorum(datacenter: str) -> dict[str, Any]:
    """Return how this Consul server sees those of its datacenter. Changes nothing.

    datacenter
        The name of the datacenter, for which this Consul server must be one.

    Returns a mapping: ``leader`` (its node's name, None without one), ``voters`` (the names of their nodes, a
    list), ``healthy`` (whether all Consul servers are well), ``due`` (the files that Consul does not run with
    yet, and for which a reload is not enough, a list).

    Raises an error if this is no Consul server of the datacenter, or its agent does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-consul-1 k8s_consul.quorum dc1
    """
    with told("looking at the Consul servers"):
        agent, _ = _access(datacenter)
        return {**quorums.look(agent), "due": services.started_before(quorums.UNIT, quorums.FILES)}


def restart(datacenter: str, within: float = 120) -> bool:
    """Restart Consul on this Consul server, if all are well, and wait until all are well again.

    ``k8s.restart_consul`` does it to one after another.

    datacenter
        The name of the datacenter, for which this Consul server must be one.
    within
        For how many seconds to wait. Default: 120.

    Returns True.

    Raises an error if this is no Consul server of the datacenter, not all of them are well before, or not all
    are well after that time.

    CLI Example:

    .. code-block:: bash

        salt dc1-consul-1 k8s_consul.restart dc1
    """
    with told("restarting Consul"):
        agent, _ = _access(datacenter)
        quorums.restart(agent, __opts__["id"], within)
        return True


def _access(datacenter: str) -> tuple[Agent, files.Access]:
    access = files.access()
    if access.datacenter != datacenter:
        raise HostError(f"this is no Consul server of {datacenter}, but of {access.datacenter}")
    return Agent(access.management_token), access
