"""Decide what turns these servers into the cluster that the spec asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from k8s_lifecycle.decision import peers, placement
from k8s_lifecycle.decision.condition import Condition, begins, conditions, missing_phases, not_seen_bare
from k8s_lifecycle.decision.held import leave_held
from k8s_lifecycle.decision.plan import Plan, Step, Wave, waves
from k8s_lifecycle.model import addon, kubeadm_config
from k8s_lifecycle.model.facts import Facts, Node, Server, View
from k8s_lifecycle.model.spec import Assignment, Spec
from k8s_lifecycle.model.versions import Version

NEW = {Condition.BARE, Condition.REINSTALLED, Condition.REINSTALLED_VOTER}
CLEAN_UP = {
    Condition.LEFTOVER: "reset",
    Condition.LEARNER: "remove_learner",
    Condition.REINSTALLED: "forget_node",
    Condition.REINSTALLED_VOTER: "remove_member",
}

_ONE_BY_ONE = "control planes, one by one"
_WORKERS = "workers"

Assignments = Mapping[str, Assignment]
Conditions = Mapping[str, Condition]


def plan(spec: Spec, facts: Facts, assignments: Assignments, only: Collection[str] | None = None) -> Plan:
    """Plan a provision.

    assignments: every server that the spec names or allows, by minion id. only: the servers that may be
    changed (a join that a server asked for): the cluster itself must be there already; None: all of them.
    """
    state = conditions(spec, facts, list(assignments))
    again = _begins_again(spec, facts, state)
    refusals = _refusals(spec, facts, assignments, state, again)
    if refusals:
        return Plan(spec.name, "provision", refusals=refusals)
    waiting = _waits(spec, facts, state, everything=only is None)
    if waiting.steps:
        return Plan(spec.name, "provision", waves=(waiting,), partial=True)
    lead = _lead(spec, state)
    if only is not None and state[lead] is not Condition.MEMBER:
        return Plan(spec.name, "provision", refusals=(_no_cluster_yet(spec),))
    kept_out = _kept_out(spec, facts, assignments, state)
    must_wait = peers.unannounced(spec, facts, state)
    todo = {
        server: state[server]
        for server in assignments
        if server not in kept_out and server not in must_wait and (only is None or server in only)
    }
    if facts.cluster is None and lead not in todo:
        why = (kept_out | must_wait)[lead]
        return Plan(spec.name, "provision", refusals=(f"no init: {lead}: {why}",))
    blocked = _blocked(spec, facts, todo)
    if only is None:
        blocked |= must_wait
    else:  # who was named is told why it does not join
        blocked |= {name: why for name, why in {**kept_out, **must_wait}.items() if name in only}
    joining = _joining(spec, assignments, todo, lead)
    settling = sorted(joining, key=lambda server: assignments[server].role == "control-plane")
    version = target_version(spec, facts)
    starting = [lead] if lead in todo and (facts.cluster is None or lead == again) else []
    fresh = [*starting, *joining, *_spares(spec, facts, assignments, todo)]
    found = Plan(
        spec.name,
        "provision",
        waves=waves(
            _preflight(fresh, todo, version),
            _clean_up(todo),
            peers.updates(spec, facts, state) if only is None else Wave("endpoint", ()),
            _prepare(spec, fresh, version, again),
            _init(spec, facts, state, lead, again=lead == again),
            _cluster_wide(spec, facts, lead, everything=only is None),
            _control_planes(assignments, todo, joining, version),
            _workers(spec, assignments, joining, version),
            _settle(spec, facts, assignments, todo, starting=starting, joining=settling),
            _dns(facts, lead, settling if starting else []),
            _leftover_admissions(facts, lead),
        ),
        blocked=blocked,
        notes=(*_notes(spec, facts), *(f"{name} is left out: {why}" for name, why in kept_out.items())),
        partial=any(condition is Condition.UNJUDGED for condition in todo.values()),
    )
    return leave_held(found, spec, facts)


def _refusals(
    spec: Spec, facts: Facts, assignments: Assignments, state: Conditions, again: str
) -> tuple[str, ...]:
    control_planes = spec.control_plane.servers
    refusals = [
        f"{server}: reading its facts failed: {error} — mend that, then run again"
        for server, error in facts.failed.items()
        if server in control_planes
    ]
    authorities = {view.ca: view.seen_by for view in facts.views}
    if len(authorities) > 1:
        refusals.append(
            f"{' and '.join(sorted(authorities.values()))} run different clusters (their CAs differ) — "
            "decide which one is the cluster, and take the other server's back-up before you reset it"
        )
    if facts.cluster is None:
        refusals += _refusals_without_cluster(control_planes, facts, assignments, state)
    elif facts.cluster.members is None:
        refusals.append(
            f"{facts.cluster.seen_by}: etcd did not tell its members ({facts.cluster.etcd_error}): without "
            "them nothing is decided about control planes — mend etcd, then run again"
        )
    elif lost := _lost_data(facts.cluster, facts, assignments):
        refusals.append(lost)
    elif not again:
        refusals += drift(spec, facts)
    return tuple(refusals)


def _begins_again(spec: Spec, facts: Facts, state: Conditions) -> str:
    """Return the server whose init was cut off and begins again with the spec as it is now; or nothing."""
    unfinished = (name for name, found in state.items() if found is Condition.HALF_INITIALISED)
    return next((name for name in unfinished if begins(spec, facts, facts.servers[name])), "")


def _lost_data(view: View, facts: Facts, assignments: Assignments) -> str:
    """Tell of an etcd that began anew under the old CA. Nobody joins before an init has left kubeadm-config.

    The first control plane's etcd does so where its data is gone: its manifest names no other member.
    """
    known = (name for name in assignments if (found := facts.servers.get(name)) and found.authority)
    others = [name for name in known if name != view.seen_by]
    if view.configuration is not None or not others:
        return ""
    return (
        f"etcd on {view.seen_by} knows no cluster, but {', '.join(others)} joined one with the same CA: "
        "its data is gone, or not mounted. Nothing is reset — stop the kubelet and etcd there, then mount "
        "the data, restore it from a snapshot, or let control planes that have it form a quorum"
    )


def drift(spec: Spec, facts: Facts) -> list[str]:
    """Return where the spec differs from what a join reads of the cluster: no operation rolls it out yet."""
    view = facts.cluster
    if view is None or not view.configuration:
        return []
    problems = kubeadm_config.drift(spec, view.configuration, view.kubelet_configuration)
    network = addon.drift(spec, view.phases.get("network_addon"))
    return [*map(str, problems), *peers.refusals(spec, facts), *network]


def _refusals_without_cluster(
    control_planes: Collection[str], facts: Facts, assignments: Assignments, state: Conditions
) -> list[str]:
    silent = [server for server in control_planes if state[server] is Condition.SILENT]
    refusals = [
        f"{server} did not answer, and no API server was found: it may hold the cluster, so there is no "
        f"init — bring its minion back, or see that it is off and take it out of control_plane.servers"
        for server in silent
        if server not in facts.failed
    ]
    started = [server for server in control_planes if state[server] not in (Condition.BARE, Condition.SILENT)]
    unfinished = [server for server in started if state[server] is Condition.HALF_INITIALISED]
    if len(unfinished) > 1:
        refusals.append(
            f"{', '.join(unfinished)} each hold a part of a control plane and no API server answers — "
            "start the one that runs etcd, or restore the cluster from a back-up"
        )
    living = [
        server
        for server in assignments
        if server not in control_planes and (found := facts.servers.get(server)) and not found.bare
    ]
    if living and not silent and not any(facts.servers[server].etcd_data for server in started):
        refusals.append(
            f"{', '.join(living)} still hold the credentials of a cluster, but no control plane server does: "
            "this is a restore of its etcd and CA, not an init — restore them from the back-up, or "
            "`kubeadm reset` those servers if that cluster is given up"
        )
    return refusals


def _waits(spec: Spec, facts: Facts, state: Conditions, *, everything: bool) -> Wave:
    """Return what must come to an end, or come up, before anything else can be decided."""
    running = [
        Step(
            "wait_kubeadm", name, f"kubeadm {server.kubeadm['verb']} is running (pid {server.kubeadm['pid']})"
        )
        for name, server in facts.servers.items()
        if server.kubeadm and name in state
    ]
    busy = {step.server for step in running}
    starting = [
        Step(
            "wait_api",
            name,
            f"its control plane is complete, but the API does not answer: {facts.servers[name].api_error}"
            + _unsure(facts, name),
        )
        for name, condition in state.items()
        if condition is Condition.STOPPED and name not in busy
    ]
    finishing = [
        Step(
            "finish_join",
            name,
            f"it {condition.value}: it is never reset",
            {"version": target_version(spec, facts)},
        )
        for name, condition in state.items()
        if condition is Condition.UNSTARTED and name not in busy and everything
    ]
    steps = (*running, *starting, *finishing)
    return Wave("wait for what is running", steps, window=len(steps))


def _unsure(facts: Facts, name: str) -> str:
    """Return who keeps an init that is not final from being made anew, as words for a reason."""
    if facts.servers[name].kubelet_conf_final:
        return ""
    return f"; its init is not made anew, since {', '.join(not_seen_bare(facts, name))} may have joined"


def _lead(spec: Spec, state: Conditions) -> str:
    """Return the control plane whose name a step for the whole cluster has: who initialises, or a member."""
    order = (Condition.HALF_INITIALISED, Condition.MEMBER, Condition.BARE)
    servers = spec.control_plane.servers
    ranked = (server for condition in order for server in servers if state[server] is condition)
    return next(ranked, servers[0])


def _no_cluster_yet(spec: Spec) -> str:
    return (
        f"{spec.name} has no complete control plane that a server could join — "
        f"run `salt-run k8s.provision {spec.name}` first"
    )


def _blocked(spec: Spec, facts: Facts, todo: Conditions) -> dict[str, str]:
    """Return who is left out and why. A silent server that is a node already has nothing to join."""
    nodes = facts.cluster.nodes if facts.cluster else {}
    remedies = {
        Condition.SILENT: "bring its minion back and run again; nothing was decided about it",
        Condition.RENAMED: "give its minion that name as its id; a node cannot be renamed",
        Condition.LOCKED_OUT: "give it new ones: `salt-run k8s.rotate_certs`",
        Condition.FOREIGN: "its data is not this cluster's: look at it, then `kubeadm reset` it yourself",
    }
    return {
        server: facts.failed.get(server) or f"{condition.value} — {remedies[condition]}"
        for server, condition in todo.items()
        if condition in remedies and not (condition is Condition.SILENT and spec.node_name(server) in nodes)
    }


def _kept_out(spec: Spec, facts: Facts, assignments: Assignments, state: Conditions) -> dict[str, str]:
    """Return which servers' grains keep them out of their pool, and why; a member stays what it is."""
    return {
        name: reason
        for name, server in facts.servers.items()
        if name in assignments
        and state[name] is not Condition.MEMBER
        and (reason := placement.objection(spec, assignments[name], server.grains))
    }


def _joining(spec: Spec, assignments: Assignments, todo: Conditions, lead: str) -> list[str]:
    """Return who joins, control planes first, in the order of the spec."""
    wanted = [
        server
        for server, condition in todo.items()
        if (condition is Condition.BARE or condition in CLEAN_UP)
        and assignments[server].role != "spare"
        and server != lead
    ]
    control_planes = [server for server in spec.control_plane.servers if server in wanted]
    return control_planes + sorted(server for server in wanted if server not in control_planes)


def target_version(spec: Spec, facts: Facts) -> str:
    """Return the version for a bare server: the spec's, but never newer than any running API server.

    https://kubernetes.io/releases/version-skew-policy/: a kubelet must not be newer than its API server,
    and kubeadm's join does not object to one.
    """
    wanted = Version.parse(spec.kubernetes.version)
    return str(min(wanted, facts.version or wanted))


def _spares(spec: Spec, facts: Facts, assignments: Assignments, todo: Conditions) -> list[str]:
    version = target_version(spec, facts)
    return [
        server
        for server, condition in todo.items()
        if assignments[server].role == "spare"
        and condition is Condition.BARE
        and (facts.servers[server].endpoint or not _prepared(facts.servers[server], version))
    ]


def _prepared(server: Server, version: str) -> bool:
    installed = (server.packages.get(package) for package in ("kubeadm", "kubelet", "kubectl"))
    return server.containerd_active and all((have or "").startswith(f"{version}-") for have in installed)


def _clean_up(todo: Conditions) -> Wave:
    steps = [
        Step(CLEAN_UP[condition], server, f"it {condition.value}")
        for server, condition in todo.items()
        if condition in CLEAN_UP
    ]
    return Wave("clean up", tuple(steps), window=1)


def _preflight(fresh: list[str], todo: Conditions, version: str) -> Wave:
    bare = [server for server in fresh if todo[server] in NEW]
    steps = tuple(Step("preflight", server, "new to the cluster", {"version": version}) for server in bare)
    return Wave("preflight", steps, window=len(steps))


def _prepare(spec: Spec, fresh: list[str], version: str, again: str) -> Wave:
    reason = f"operating system, containerd and kubeadm {version}"
    steps = tuple(
        Step("prepare", server, reason, {"version": version, "anew": server == again}) for server in fresh
    )
    return Wave("prepare", steps, window=len(steps), budget=spec.limits.failures_allowed(len(steps)))


def _init(spec: Spec, facts: Facts, state: Conditions, lead: str, *, again: bool) -> Wave:
    if facts.cluster is None and state[lead] is Condition.BARE:
        reason = "no server of the cluster holds anything of it: the first control plane"
    elif state[lead] is Condition.HALF_INITIALISED:
        missing = f": {', '.join(missing_phases(spec, facts.cluster))} missing" if facts.cluster else ""
        anew = ", and nobody has joined: all but CA and etcd's data anew" if again else ""
        reason = f"it {state[lead].value}{missing}{anew}"
    else:
        return Wave("init", ())
    how = {"version": target_version(spec, facts), "anew": again}
    return Wave("init", (Step("init", lead, reason, how),))


def _cluster_wide(spec: Spec, facts: Facts, lead: str, everything: bool) -> list[Wave]:
    view = facts.cluster
    wanted = addon.content_hash(spec)
    steps = []
    if everything and wanted and (view is None or view.phases.get("network_addon") != wanted):
        steps.append(Step("network_addon", lead, f"{spec.network_addon.kind} as in the spec"))
    if view is not None and view.auto_approve:
        steps.append(Step("restrict_bootstrap", lead, "any bootstrap token may ask for any node's name"))
    return [Wave("cluster", tuple(steps))]


def _control_planes(assignments: Assignments, todo: Conditions, joining: list[str], version: str) -> Wave:
    unfinished = [
        Step("finish_join", server, f"it {condition.value}: never reset", {"version": version})
        for server, condition in todo.items()
        if condition is Condition.UNFINISHED_VOTER
    ]
    steps = [
        Step("join_control_plane", server, "named in control_plane.servers", {"version": version})
        for server in joining
        if assignments[server].role == "control-plane"
    ]
    return Wave(_ONE_BY_ONE, (*unfinished, *steps))


def _workers(spec: Spec, assignments: Assignments, joining: list[str], version: str) -> Wave:
    steps = tuple(
        Step("join_worker", server, f"allowed by pool {assignments[server].pool}", {"version": version})
        for server in joining
        if assignments[server].role == "worker"
    )
    return Wave(
        _WORKERS,
        steps,
        window=spec.limits.concurrency,
        budget=spec.limits.failures_allowed(len(steps)),
        # What they join through is there after the init: only control planes wait for each other.
        beside=(_ONE_BY_ONE,),
    )


def _settle(
    spec: Spec,
    facts: Facts,
    assignments: Assignments,
    todo: Conditions,
    *,
    starting: list[str],
    joining: list[str],
) -> Wave:
    """Each node settles once it has joined; the first one once another has, whose pod its own can reach.

    joining: who joins, in the order in which they are expected to have done so.
    """
    nodes = facts.cluster.nodes if facts.cluster else {}
    new = {server: server for server in joining} | dict.fromkeys(starting, (*joining, "")[0])
    steps = [
        Step("settle", server, "a new node: labels, taints, smoke check", after=after)
        for server, after in new.items()
    ]
    for server in todo:
        node = nodes.get(spec.node_name(server))
        if server not in new and node and (differs := _differences(spec, assignments[server], node)):
            steps.append(Step("settle", server, differs, after=server))
    return Wave(
        "settle",
        tuple(steps),
        window=spec.limits.concurrency,
        budget=spec.limits.failures_allowed(len(steps)),
        beside=(_ONE_BY_ONE, _WORKERS),
    )


def _differences(spec: Spec, assignment: Assignment, node: Node) -> str:
    """Return how a node's labels and taints differ from those of its place; empty when they do not."""
    labels, taints = placement.labels(spec, assignment), placement.taints(spec, assignment)
    have = [(taint["key"], taint.get("value", ""), taint["effect"]) for taint in node.taints]
    found = [f"label {key}" for key, value in labels.items() if node.labels.get(key) != value]
    found += [f"taint {taint['key']}" for taint in taints if tuple(taint.values()) not in have]
    if node.settled:
        kept = {(taint["key"], taint["effect"]) for taint in taints}
        found += [f"label {key}, no longer asked for" for key in sorted(node.settled.labels - labels.keys())]
        found += [f"taint {key}, no longer asked for" for key, _ in sorted(node.settled.taints - kept)]
    if node.starts_up:
        found.append("startup taint: its smoke check has not passed yet")
    return ", ".join(found)


def _dns(facts: Facts, lead: str, second: list[str]) -> Wave:
    """second: who joins the first node of a new cluster; one of them that takes pods is enough."""
    crowded = facts.cluster is not None and facts.cluster.dns_crowded
    if not (crowded or second):
        return Wave("DNS", ())
    step = Step("spread_dns", lead, "every replica of CoreDNS is on one node", after=(*second, "")[0])
    return Wave("DNS", (step,), beside=(_ONE_BY_ONE, _WORKERS))


def _leftover_admissions(facts: Facts, lead: str) -> Wave:
    left = facts.cluster.admissions if facts.cluster else ()
    steps = tuple(
        Step(
            "revoke",
            lead,
            f"admission of {admission['minion']} was left behind",
            {"token_id": admission["token_id"]},
        )
        for admission in left
    )
    return Wave("revoke admissions", steps, window=max(1, len(steps)))


def _notes(spec: Spec, facts: Facts) -> tuple[str, ...]:
    view = facts.cluster
    notes = [
        f"{name} carries the endpoint, and control_plane.servers does not name it: {peers.END.format(name)}"
        for name in peers.leaving(spec, facts)
    ]
    notes += [
        f"{name} is dropped from the endpoint: see that it is off, or that its keepalived has ended"
        for name in peers.dropped(spec, facts)
    ]
    if view and view.version != spec.kubernetes.version:
        notes.append(
            f"the cluster runs {view.version}, the spec asks for {spec.kubernetes.version}: "
            "provision never upgrades"
        )
    return tuple(notes)
