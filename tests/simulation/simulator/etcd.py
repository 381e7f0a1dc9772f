"""Simulated etcd: members, learners, and whether a quorum of the voting ones is up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.clock import SimulatedError
from simulator.objects import Objects

if TYPE_CHECKING:
    from simulator.server import Server


@dataclass(eq=False)
class Member:
    """One member. It has no name until it has started for the first time."""

    id: str
    server: Server
    learner: bool
    name: str = ""

    @property
    def up(self) -> bool:
        """Whether it runs."""
        return "etcd" in self.server.pods and self.server.disk.etcd_member == self.id


@dataclass(eq=False)
class EtcdCluster:
    """One etcd cluster and what the API keeps in it.

    ca: the authority that its members trust. ever: the server of every member that there ever was, by id.
    """

    ca: str
    members: list[Member] = field(default_factory=list)
    objects: Objects = field(default_factory=Objects)
    ever: dict[str, Server] = field(default_factory=dict)

    @property
    def voters(self) -> list[Member]:
        """The members that vote."""
        return [member for member in self.members if not member.learner]

    @property
    def quorum(self) -> bool:
        """Whether a majority of the voters is up."""
        voters = up = 0
        for member in self.members:  # asked after every event
            if not member.learner:
                voters += 1
                up += member.up
        return up > voters // 2

    @property
    def healthy(self) -> bool:
        """Whether every member votes and is up: what another member may be added to."""
        return all(member.up and not member.learner for member in self.members)

    def of(self, server: Server) -> Member | None:
        """Return the member whose peer URL is this server's address."""
        return next((member for member in self.members if member.server is server), None)

    def add(self, server: Server, learner: bool) -> Member:
        """Add a member; etcd takes one learner at a time."""
        if learner and not self.quorum:
            raise SimulatedError("etcdserver: no leader")
        if learner and any(member.learner for member in self.members):
            raise SimulatedError("etcdserver: too many learner members in cluster")
        member = Member(f"{len(self.ever) + 1:x}", server, learner)
        self.ever[member.id] = server
        self.members.append(member)
        return member

    def promote(self, member: Member) -> None:
        """Make a learner that is up a voter."""
        if not self.quorum or not member.up:
            raise SimulatedError("etcdserver: can only promote a learner member which is in sync with leader")
        member.learner = False

    def remove(self, member: Member) -> None:
        """Remove a member; its etcd ends where it runs."""
        if not self.quorum:
            raise SimulatedError("etcdserver: no leader")
        self.members.remove(member)
        if member.up:
            member.server.pods.discard("etcd")
