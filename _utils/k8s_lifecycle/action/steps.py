"""What each verb of a plan does: calls in order, the state read again before and after each change."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress

from k8s_lifecycle.action import etcd_gate
from k8s_lifecycle.action.carry_out import Verbs
from k8s_lifecycle.action.fleet import Answer, Call
from k8s_lifecycle.action.observe import read_facts
from k8s_lifecycle.action.run import RUN_AGAIN, Failure, Run, through_control_plane, value_of
from k8s_lifecycle.action.scheduler import Sleep, Task
from k8s_lifecycle.action.together import together
from k8s_lifecycle.decision import placement
from k8s_lifecycle.decision.condition import Condition, condition
from k8s_lifecycle.decision.peers import peers
from k8s_lifecycle.decision.plan import Step
from k8s_lifecycle.model.facts import Member
from k8s_lifecycle.model.quorum import Act, prove
from k8s_lifecycle.model.spec import Spec

KUBEADM_TIMEOUT = 600
READY_TIMEOUT = 180
NOT_READY_TIMEOUT = 90  # the controller manager believes a silent kubelet for 50 s
SERVING_TIMEOUT = 30
SMOKE_TIMEOUT = 180
ADMISSION_SECONDS = 600
JOINED = (Condition.MEMBER,)
NOT_JOINED = (Condition.BARE, Condition.REINSTALLED)
POWER_OFF = "power off the other machine that has this name, then run again"
# How many state runs may wait on a server. A number makes the job itself wait: with True, Salt 3008 puts it
# aside, says that it does not run (saltutil.find_job), and runs it later though nobody waits for it any more.
QUEUE = 20


def preflight(run: Run, step: Step) -> Task:
    """Check everything that a join needs of a server, before anything is touched."""
    assignment = run.assignments[step.server]
    others = {name: server.machine_id for name, server in run.facts.servers.items() if name != step.server}
    answer = yield Call(
        step.server,
        "k8s_server.preflight",
        {
            "spec": run.spec.at_version(step.how["version"]).to_dict(),
            "role": assignment.role,
            "pool": assignment.pool,
            "others": {"machine_ids": others, "clock": time.time()},
        },
        timeout=90,
    )
    problems = value_of(answer, "preflight", RUN_AGAIN)
    if problems:
        raise Failure(
            step.server, "preflight", "; ".join(problems), "mend these, then run again; nothing was touched"
        )


def prepare(run: Run, step: Step) -> Task:
    """Converge the operating system, containerd, packages and endpoint: the SLS that highstate uses."""
    yield from _apply(run, step, "k8s.server", run.spec.at_version(step.how["version"]), 900)


def update_endpoint(run: Run, step: Step) -> Task:
    """Tell a member's endpoint which control plane servers there are, before a new one carries it."""
    yield from _apply(run, step, "k8s.endpoint", run.spec, 300)


def init(run: Run, step: Step) -> Task:
    """Initialise the first control plane, or finish an init that was cut off."""
    spec = run.spec.at_version(step.how["version"])
    answer = yield run.change(
        step.server,
        "k8s_kubeadm.init",
        KUBEADM_TIMEOUT,
        cluster=run.spec.name,
        spec=spec.to_dict(),
        anew=step.how["anew"],
    )
    yield from _judge(run, step, answer, "kubeadm init")


def network_addon(run: Run, step: Step) -> Task:
    """Apply the pod network."""
    arguments = {"fence": run.fence, "spec": run.spec.to_dict()}
    yield from through_control_plane(run, "k8s_api.network_addon", arguments, 120)


def restrict_bootstrap(run: Run, step: Step) -> Task:
    """Remove the binding by which any bootstrap token gets a certificate for any node."""
    yield from through_control_plane(run, "k8s_api.restrict_bootstrap", {"fence": run.fence})


def join_control_plane(run: Run, step: Step) -> Task:
    """Join one control plane: behind the etcd gate, and seen voting after it.

    That its node is Ready is waited for when it settles, beside the next one's join.
    """
    yield from etcd_gate.wait_until_whole(run, step)
    yield from _join(run, step)
    yield from etcd_gate.wait_until_votes(run, step)


def join_worker(run: Run, step: Step) -> Task:
    """Join one worker and see it Ready."""
    yield from _join(run, step)
    yield from ready(run, step)


def finish_join(run: Run, step: Step) -> Task:
    """Finish the join of a server that already votes in etcd: it must not be reset."""
    spec = run.spec.at_version(step.how["version"])
    answer = yield run.change(step.server, "k8s_kubeadm.finish_join", KUBEADM_TIMEOUT, spec=spec.to_dict())
    yield from _judge(run, step, answer, "finishing its join")
    yield from etcd_gate.wait_until_votes(run, step)
    yield from ready(run, step)


def remove_learner(run: Run, step: Step) -> Task:
    """Remove a learner through a healthy member, look again, and reset its server."""
    member = yield from etcd_gate.member_of(run, step)
    if member and member.learner:
        yield from _remove(run, step, member)
    yield from reset(run, step)


def remove_member(run: Run, step: Step) -> Task:
    """Remove the etcd member of a server that has lost its data, behind the quorum proof; forget its node."""
    members = yield from etcd_gate.members(run, avoid=step.server)
    member = next((one for one in members if one.name == run.spec.node_name(step.server)), None)
    if member and member.healthy:
        raise Failure(step.server, "removing its etcd member", "another machine runs it", POWER_OFF)
    if member:
        proof = prove(members, Act.REMOVE, member.name)
        if not proof:
            raise Failure(step.server, "removing its etcd member", "; ".join(proof.reasons), RUN_AGAIN)
        yield from _remove(run, step, member)
    yield from forget_node(run, step)


def reset(run: Run, step: Step) -> Task:
    """Reset a server that etcd does not count on, after looking at etcd's members again."""
    control_plane = step.server in run.spec.control_plane.servers
    if control_plane and (yield from etcd_gate.member_of(run, step)):
        raise Failure(step.server, "reset", "it is an etcd member now", RUN_AGAIN)
    if not run.seen(step.server).bare:
        arguments = {"cluster": run.spec.name, "not_voting": control_plane}
        answer = yield run.change(step.server, "k8s_kubeadm.reset", KUBEADM_TIMEOUT, **arguments)
        yield from _judge(run, step, answer, "kubeadm reset", becomes=NOT_JOINED)
    yield from _delete_node(run, step)


def forget_node(run: Run, step: Step) -> Task:
    """Delete the node of a server that is bare, once no kubelet reports under its name any more.

    A join refuses a name that is Ready, and is right: it may be the server's old machine, which still serves.
    """
    node = run.spec.node_name(step.server)
    run.waits_for(step, f"node {node} not to be Ready any more")
    arguments = {"node": node, "timeout": NOT_READY_TIMEOUT}
    why = yield from through_control_plane(
        run, "k8s_api.wait_not_ready", arguments, NOT_READY_TIMEOUT + 30, avoid=step.server
    )
    if why:
        raise Failure(
            step.server, f"waiting {NOT_READY_TIMEOUT} s for its old kubelet to end", why, POWER_OFF
        )
    yield from _delete_node(run, step)


def _delete_node(run: Run, step: Step) -> Task:
    arguments = {"fence": run.fence, "node": run.spec.node_name(step.server)}
    yield from through_control_plane(run, "k8s_api.delete_node", arguments, avoid=step.server)


def settle(run: Run, step: Step) -> Task:
    """See a node Ready, give it its labels and taints, see a pod run there, then open it for pods."""
    yield from ready(run, step)
    node, place = run.spec.node_name(step.server), run.assignments[step.server]
    wanted = {
        "fence": run.fence,
        "node": node,
        "labels": placement.labels(run.spec, place),
        "taints": placement.taints(run.spec, place),
    }
    yield from through_control_plane(run, "k8s_api.settle_node", {**wanted, "remove_startup_taint": False})
    yield from verified(run, step)
    run.waits_for(step, "a pod on it that resolves a Service name and reaches a pod on another node")
    checked = yield from together(run, "smoke check", step, lambda nodes: smoke_check(run, nodes))
    if not checked[node]["ok"]:
        raise Failure(node, "smoke check", checked[node]["detail"], RUN_AGAIN)
    yield from through_control_plane(run, "k8s_api.settle_node", {**wanted, "remove_startup_taint": True})


def smoke_check(run: Run, nodes: list[str]) -> Task:
    """Run a pod on each node that resolves a Service name and reaches another pod; return how it went."""
    arguments = {"fence": run.fence, "spec": run.spec.to_dict(), "nodes": nodes, "timeout": SMOKE_TIMEOUT}
    return (yield from through_control_plane(run, "k8s_api.smoke_check", arguments, SMOKE_TIMEOUT + 60))


def spread_dns(run: Run, step: Step) -> Task:
    """Put the replicas of CoreDNS on different nodes."""
    said = yield from through_control_plane(run, "k8s_api.spread_dns", {"fence": run.fence}, 120)
    if not said["whole"]:
        raise Failure(
            run.spec.name,
            "moving a pod of CoreDNS to another node",
            "not every replica is Ready again",
            "look at `kubectl -n kube-system describe pods -l k8s-app=kube-dns`",
        )


def revoke(run: Run, step: Step) -> Task:
    """Revoke an admission that an earlier run left behind."""
    yield from through_control_plane(run, "k8s_admission.revoke", {"token_id": step.how["token_id"]})


def wait_kubeadm(run: Run, step: Step) -> Task:
    """Wait for a kubeadm that an earlier run started."""
    run.waits_for(step, step.reason)
    answer = yield Call(
        step.server, "k8s_kubeadm.wait", {"timeout": KUBEADM_TIMEOUT}, timeout=KUBEADM_TIMEOUT + 30
    )
    value_of(answer, "waiting for its kubeadm", RUN_AGAIN)


def wait_api(run: Run, step: Step) -> Task:
    """Wait for the API server of a complete control plane to answer."""
    deadline = run.fleet.now() + READY_TIMEOUT
    run.waits_for(step, "its API server")
    while run.fleet.now() < deadline:
        facts = yield from read_facts(run)
        if facts.cluster:
            return
        yield Sleep(3)
    said = facts.servers[step.server].api_error if step.server in facts.servers else "it did not answer"
    raise Failure(
        step.server,
        f"waiting {READY_TIMEOUT} s for its API server",
        str(said),
        "look at `crictl ps -a` and `journalctl -u kubelet` there; if etcd has lost its quorum, restore it",
    )


def _apply(run: Run, step: Step, sls: str, spec: Spec, timeout: float) -> Task:
    """Apply an SLS with what only a run knows: version, the control planes' addresses, fencing number."""
    place = run.assignments[step.server]
    pillar = {
        "cluster": run.spec.name,
        "role": place.role,
        "pool": place.pool,
        "spec": spec.to_dict(),
        "addresses": peers(run.spec, run.facts),
        "fence": run.fence,
        "anew": step.how.get("anew", False),
    }
    arguments = {"mods": sls, "pillar": {"k8s": pillar}, "queue": QUEUE}
    answer = yield Call(step.server, "state.apply", arguments, timeout)
    value_of(answer, f"state.apply {sls}", RUN_AGAIN)


def _remove(run: Run, step: Step, member: Member) -> Task:
    """Remove an etcd member through another one."""
    arguments = {"fence": run.fence, "name": member.name, "member_id": member.id}
    yield from through_control_plane(run, "k8s_etcd.remove_member", arguments, avoid=step.server)


def _join(run: Run, step: Step) -> Task:
    """Admit one server and let it join: its key, a box sealed to that key, the join, the revocation."""
    minted = yield from admit(run, step)
    answer = yield run.change(step.server, "k8s_kubeadm.join", KUBEADM_TIMEOUT, box=minted["box"])
    yield from revoke_used(run, step, minted)
    yield from _judge(run, step, answer, "kubeadm join")


def admit(run: Run, step: Step) -> Task:
    """Let one server make its key, and a control plane mint an admission sealed to it; return that."""
    assignment = run.assignments[step.server]
    spec = run.spec.at_version(step.how["version"])
    opened = value_of(
        (yield run.change(step.server, "k8s_admission.request", 60, cluster=run.spec.name)),
        "requesting its admission",
        RUN_AGAIN,
    )
    admission = {
        "fence": run.fence,
        "cluster": run.spec.name,
        "spec": spec.to_dict(),
        "server": step.server,
        "node": run.spec.node_name(step.server),
        "role": assignment.role,
        "pool": assignment.pool,
        "public": opened["public"],
        "addresses": opened["addresses"],
        "ttl": ADMISSION_SECONDS,
    }
    return (yield from through_control_plane(run, "k8s_admission.mint", admission, avoid=step.server))


def revoke_used(run: Run, step: Step, minted: Mapping[str, str]) -> Task:
    """Revoke an admission once it was used, or was in vain."""
    with suppress(Failure):  # it expires, and the next plan revokes what is left
        token = {"token_id": minted["token_id"]}
        yield from through_control_plane(run, "k8s_admission.revoke", token, avoid=step.server)


def _judge(run: Run, step: Step, answer: Answer, tried: str, becomes: Collection[Condition] = JOINED) -> Task:
    """Believe a success; after anything else look at the server before it is called a failure."""
    if answer.ok:
        return
    run.waits_for(step, f"{step.server} to say what became of {tried}")
    yield Call(step.server, "k8s_kubeadm.wait", {"timeout": KUBEADM_TIMEOUT}, timeout=KUBEADM_TIMEOUT + 30)
    facts = yield from read_facts(run)
    found = condition(run.spec, facts, step.server)
    if found not in becomes:
        raise Failure(step.server, tried, answer.error, f"the server {found.value}; {RUN_AGAIN}")


def ready(run: Run, step: Step) -> Task:
    """Wait until the server's node is Ready."""
    node = run.spec.node_name(step.server)
    run.waits_for(step, f"node {node} to be Ready")
    arguments = {"node": node, "timeout": READY_TIMEOUT}
    why_not = yield from through_control_plane(run, "k8s_api.wait_ready", arguments, READY_TIMEOUT + 30)
    if why_not:
        raise Failure(step.server, f"waiting {READY_TIMEOUT} s for its node to be Ready", why_not, RUN_AGAIN)


def verified(run: Run, step: Step) -> Task:
    """Approve the kubelet's serving certificate, and see that the API server verifies it."""
    node = run.spec.node_name(step.server)
    said = yield from together(run, "serving certificate", step, lambda nodes: _approve(run, nodes))
    if node in said["unverified"]:
        refused = "".join(f"; request {name}: {why}" for name, why in said["refused"].items())
        raise Failure(
            step.server,
            f"waiting {SERVING_TIMEOUT} s for its kubelet to show a certificate that the API server verifies",
            said["unverified"][node] + refused,
            f"look at `kubectl get csr`; {RUN_AGAIN}",
        )


def _approve(run: Run, nodes: list[str]) -> Task:
    arguments = {"nodes": nodes, "timeout": SERVING_TIMEOUT}
    return (yield from through_control_plane(run, "k8s_csr.approve_serving", arguments))


VERBS: Verbs = {
    verb.__name__: verb
    for verb in (
        preflight,
        prepare,
        update_endpoint,
        init,
        network_addon,
        restrict_bootstrap,
        join_control_plane,
        join_worker,
        finish_join,
        remove_learner,
        remove_member,
        reset,
        forget_node,
        settle,
        spread_dns,
        revoke,
        wait_kubeadm,
        wait_api,
    )
}
