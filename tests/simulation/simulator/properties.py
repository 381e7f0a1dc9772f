"""What must hold after every event, whatever happens to the fleet.

A violation is an AssertionError in the run that lets time pass, so that it ends the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.action.fleet import Answer, Call, Outcome
from k8s_lifecycle.model.kubeadm_config import STARTUP_TAINT
from simulator.clock import FOREVER
from simulator.etcd import EtcdCluster
from simulator.fleet import SimulatedFleet
from simulator.server import UNREADABLE, Kubeadm
from simulator.world import World

JOINS = {"join_control_plane", "join_worker"}
VERBS_OF: Mapping[str, set[str]] = {
    "state.apply": {"prepare", "update_endpoint"},
    "k8s_kubeadm.init": {"init"},
    "k8s_kubeadm.join": JOINS,
    "k8s_kubeadm.finish_join": {"finish_join"},
    "k8s_kubeadm.reset": {"reset", "remove_learner"},
    "k8s_admission.request": JOINS,
    "k8s_admission.mint": JOINS,
    "k8s_admission.revoke": JOINS | {"revoke"},
    "k8s_etcd.remove_member": {"remove_learner", "remove_member"},
    "k8s_api.delete_node": {"reset", "remove_learner", "remove_member", "forget_node"},
    "k8s_api.network_addon": {"network_addon"},
    "k8s_api.restrict_bootstrap": {"restrict_bootstrap"},
    "k8s_api.settle_node": {"settle"},
    "k8s_api.smoke_check": {"settle"},
    "k8s_api.spread_dns": {"spread_dns"},
    "k8s_hold.take": {"hold"},
    "k8s_hold.keep": {"drain"},
    "k8s_drain.evict": {"drain"},
    "k8s_pki.renew": {"renew"},
    "k8s_pki.restart": {"renew", "restart"},
    "k8s_pki.put_back": {"renew"},
}
READ_ONLY = {
    "k8s_server.facts",
    "k8s_server.preflight",
    "k8s_kubeadm.wait",
    "k8s_etcd.members",
    "k8s_api.wait_not_ready",
    "k8s_api.wait_ready",
    "k8s_node.waiting",
    "k8s_drain.look",
    "k8s_pki.report",
    "k8s_pki.wait_served",
}
HOUSEKEEPING = {
    "saltutil.sync_all",
    "k8s_lock.acquire",
    "k8s_lock.release",
    "k8s_csr.approve_serving",
    "k8s_node.tell",
    "k8s_hold.give_back",
}
ON_ANY = {"k8s_api.network_addon", "k8s_api.restrict_bootstrap", "k8s_api.spread_dns", "k8s_admission.revoke"}
KUBEADM = {"k8s_kubeadm.init", "k8s_kubeadm.join", "k8s_kubeadm.finish_join", "k8s_kubeadm.reset"}


class Properties:
    """Watches a world and the runs on it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._quorum: list[bool] = []
        self.fence = 0
        self._units: dict[str, Kubeadm] = {}
        self._gated: set[str] = set()
        self._in_service: set[str] = set()
        self._faults = 0
        self.cordoned: set[str] = set()
        self.disturbed = False
        world.listeners.append(self._told)
        world.clock.after_changes.append(self.check)

    def watch(self, fleet: SimulatedFleet) -> RunProperties:
        """Watch one run, too."""
        return RunProperties(self._world, self, fleet)

    def gate(self, server: str) -> None:
        """A control plane is about to join: etcd must be seen whole from now on before kubeadm starts."""
        self._gated.add(server)

    def check(self) -> None:
        """What the state of the world shows."""
        world = self._world
        assert len(world.etcds) <= 1, "two etcd clusters were founded"
        found = {server.disk.ca for server in world.servers.values()} - {None, UNREADABLE}
        assert len(found) <= 1, f"several CAs are alive: {sorted(map(str, found))}"
        self._check_quorum()
        self._check_service()
        self._check_budgets()

    def _check_quorum(self) -> None:
        """An init that is not final may stop its etcd and go on: nobody else is in it yet."""
        before = self._quorum
        self._quorum = [cluster.quorum or _begins(cluster) for cluster in self._world.etcds]
        for had, has in zip(before, self._quorum, strict=False):
            assert has or not had or self._faults, "etcd lost its quorum, and no fault did that"
        if self._gated and all(cluster.healthy for cluster in self._world.etcds):
            self._gated.clear()

    def _check_service(self) -> None:
        """A node in service stays in service, unless a fault took it out: provision may take none."""
        if self._faults:
            self._in_service.clear()
        serving = set()
        registered_open = self._world.spec.control_plane.servers  # kubeadm marks them a moment later
        for cluster in self._world.etcds:
            for node in cluster.objects.nodes.values():
                if not (node.server.kubelet_active and node.server.disk.node_credential):
                    continue
                if node.checked:
                    serving.add(node.name)
                elif STARTUP_TAINT not in node.taints and node.name not in registered_open:
                    raise AssertionError(f"{node.name} is open for pods before its smoke check")
        gone = self._in_service - serving
        assert not gone, f"{sorted(gone)} were taken out of service, and no fault did that"
        self._in_service = serving

    def _check_budgets(self) -> None:
        """What is evicted stays within the budgets, unless a fault takes more; a cordon has an owner."""
        for cluster in self._world.etcds:
            objects = cluster.objects
            for name, app in objects.apps.items():
                ending = [pod for pod in objects.pods if pod.app == name and pod.gone != FOREVER]
                healthy = self._world.healthy(objects, name)
                assert not ending or healthy >= app.needed or self._faults, f"{name} has only {healthy} pods"
            alone = [node.name for node in objects.nodes.values() if node.unschedulable and not node.hold]
            assert set(alone) <= self.cordoned, f"{alone} are cordoned, and nobody holds them"

    def _told(self, event: str, what: dict[str, Any]) -> None:
        handler = getattr(self, f"_on_{event}", None)
        if handler:
            handler(**what)

    def _on_fault_begins(self) -> None:
        self._faults += 1

    def _on_fault_ends(self) -> None:
        self._quorum = [cluster.quorum for cluster in self._world.etcds]
        self._check_service()
        self._faults -= 1

    def _on_kubeadm_starts(self, server: str, unit: Kubeadm) -> None:
        last = self._units.get(server)
        assert not (last and last.running), f"kubeadm {unit.verb} and {last.verb} run on {server} at once"
        self._units[server] = unit

    def _on_admitted(self, server: str, fence: int) -> None:
        assert fence >= self.fence, (
            f"{server} did something for run {fence}, though run {self.fence} has the lock"
        )

    def _on_carries(self, server: str) -> None:
        """keepalived takes the address where it hears no other."""
        servers = self._world.servers
        peers = servers[server].disk.endpoint or {}
        assert server in peers, f"{server} carries the endpoint, and is none of those who do"
        strangers = [
            other.id
            for other in servers.values()
            if other.disk.endpoint is not None
            and (server not in other.disk.endpoint or other.id not in peers)
        ]
        assert not strangers, f"{server} and {strangers} carry the endpoint, and do not know each other"

    def _on_joins(self, server: str, **_: bool) -> None:
        assert server not in self._gated, (
            f"{server} joins, though etcd was not whole at any moment since that step began"
        )

    def _on_minted(self, server: str, auto_approve: bool) -> None:
        assert not auto_approve, (
            f"an admission of {server} was minted while any bootstrap token gets a certificate for any node"
        )

    def _on_approved(self, node: str, token: Any) -> None:
        assert token.node == node, f"the admission of {token.node} was used by {node}"
        assert not token.used_by, f"the admission of {token.node} was used twice"

    def _on_renews(self, server: str) -> None:
        others = [other.id for other in self._world.servers.values() if other.id != server and other.in_flux]
        assert not others or self.disturbed, (
            f"{server} is renewed while {others} run with certificates from before"
        )

    def _on_package_changed(self, server: str, bare: bool) -> None:
        assert bare, f"the packages of the member {server} were changed"

    def _on_member_removed(self, server: str, learner: bool) -> None:
        gone = self._world.servers[server].disk.etcd_member is None
        assert learner or gone, f"the voting etcd member of {server} was removed, whose data is there"

    def _on_wiped(self, server: str) -> None:
        here = self._world.servers[server]
        for cluster in self._world.etcds:
            member = cluster.of(here)
            votes = member is not None and member.id == here.disk.etcd_member and not member.learner
            assert not votes, f"the data of {server} was wiped, and etcd counts on it"


class RunProperties:
    """Watches one run: what it was told to do, and what it does."""

    def __init__(self, world: World, properties: Properties, fleet: SimulatedFleet) -> None:
        self._world = world
        self._properties = properties
        self._plan: set[tuple[str, str]] = set()
        self._unheard: set[str] = set()
        fleet.watchers.append(self._bus)

    def told(self, event: str, what: Mapping[str, Any]) -> None:
        """Listen to what the run tells."""
        if event == "planned":  # from now on only this may be done
            waves = what["plan"]["waves"]
            self._plan = {(step["verb"], step["server"]) for wave in waves for step in wave["steps"]}
        if event == "locked":
            self._properties.fence = max(self._properties.fence, what["fence"])
        if event == "starts" and what["verb"] == "join_control_plane":
            self._properties.gate(what["server"])
        if event == "failed":
            assert what["server"] not in self._unheard, (
                f"{what['step']} was called failed on silence: nobody looked at the server again"
            )

    def _bus(self, what: str, call: Call, answer: Answer | None) -> None:
        if answer is None:
            self._sent(call)
        elif answer.outcome is Outcome.MISSING and call.function in KUBEADM:
            self._unheard.add(call.server)

    def _sent(self, call: Call) -> None:
        if call.function == "k8s_server.facts":
            self._unheard.discard(call.server)
        if call.function in READ_ONLY | HOUSEKEEPING:
            return
        verbs = VERBS_OF[call.function]
        allowed = {server for verb, server in self._plan if verb in verbs}
        for server in self._subjects(call):
            assert server in allowed or (call.function in ON_ANY and allowed), (
                f"{call.function} on {server}: the plan does not name it"
            )

    def _subjects(self, call: Call) -> list[str]:
        """The servers that a call changes: a control plane may act for another server."""
        said = call.arguments
        match call.function:
            case "k8s_admission.mint":
                return [said["server"]]
            case "k8s_etcd.remove_member":
                return [cluster.ever[said["member_id"]].id for cluster in self._world.etcds]
            case (
                "k8s_api.settle_node"
                | "k8s_api.delete_node"
                | "k8s_hold.take"
                | "k8s_hold.keep"
                | "k8s_drain.evict"
            ):
                return [said["node"]]
            case "k8s_api.smoke_check":
                return list(said["nodes"])
        return [call.server]


def _begins(cluster: EtcdCluster) -> bool:
    """Whether the only member is that of an init which is not final, and nobody else is in the cluster."""
    alone = len(cluster.members) == 1 and len(cluster.objects.nodes) <= 1
    return alone and not cluster.members[0].server.disk.final
