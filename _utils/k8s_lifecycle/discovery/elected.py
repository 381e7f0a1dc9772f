"""What one control plane server does for its whole cluster: Services into Consul, names of Consul for pods.

    python -m k8s_lifecycle.discovery.elected

A process of its own on each control plane server, so that no minion that restarts, or is busy, stops it: who
holds the Lease writes, the others wait. It writes only while it is sure of the lease, by its own clock since
before it asked for it, and with time to spare until another one may take it. All of it may be done twice, and
by two: what is there is read, and only what differs is written.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time

from k8s_lifecycle.cluster import api as apis
from k8s_lifecycle.cluster import lease
from k8s_lifecycle.cluster.api import Api, ConflictError
from k8s_lifecycle.cluster.watching import Watched
from k8s_lifecycle.discovery import catalogue
from k8s_lifecycle.discovery.cluster import (
    COREFILE,
    LEASE,
    SERVICES,
    SLICES,
    TIMEOUT,
    Configuration,
    compare,
    writer,
)
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import corefile
from k8s_lifecycle.model.kubernetes_services import Endpoints, Service, endpoints, service

# Clocks of control planes differ by seconds: a holder stops writing before another may take the lease.
TTL, TRUSTED = 15, 8.0
RENEW = 4.0
AGAIN = 25.0  # what somebody else changed in Consul or in CoreDNS' Corefile is put right within 30 s
COMPANY = 0.3  # changes come in flocks

Seen = tuple[list[Service], list[Endpoints]]


class LostError(HostError):
    """The lease is not ours any more, or that is not sure."""


class Term:
    """The time for which this server holds the lease."""

    def __init__(self, holder: str) -> None:
        self._holder, self._until = holder, 0.0

    def renew(self, api: Api) -> bool:
        """Take or renew the lease, unless that was just done; return whether this server has it now."""
        asked = time.monotonic()
        if asked - (self._until - TRUSTED) < RENEW / 2:
            return True
        mine = lease.acquire(api, self._holder, 0, TTL, LEASE).holder == self._holder
        self._until = asked + TRUSTED if mine else 0.0
        return mine

    def require(self) -> None:
        """Raise LostError unless this server may write."""
        if time.monotonic() > self._until:
            raise LostError(f"the Lease {LEASE} was not renewed in time: another server may have it by now")


class Elected:
    """One control plane server's part."""

    def __init__(self, told: Configuration) -> None:
        self._told = told
        self._changed = threading.Event()
        self._services = Watched(SERVICES, service, self._changed)
        self._slices = Watched(SLICES, endpoints, self._changed)
        self._term = Term(told.server)
        self._settled: Seen | None = None
        self._refused: dict[str, str] = {}
        self._due = 0.0

    def start(self) -> None:
        """Begin to watch, also while another server has the lease: it may be ours any moment."""
        if self._told.names:
            self._services.start()
            self._slices.start()

    def turn(self) -> bool:
        """Renew the lease and do what is to be done; return whether this server is the elected one."""
        api = Api.local(timeout=TIMEOUT)
        if not self._term.renew(api):
            return False
        self._changed.clear()
        seen = self._see()
        if seen != self._settled or time.monotonic() > self._due:
            self._settled, self._due = None, 0.0
            settle_corefile(api, self._told.pods_dns, self._term)
            if seen:
                self._settle_services(api, *seen)
            self._settled, self._due = seen, time.monotonic() + AGAIN
        return True

    def wait_for_change(self) -> None:
        """Wait for a change, but not longer than until the lease is to be renewed."""
        if self._changed.wait(RENEW):
            time.sleep(COMPANY)

    def stop(self) -> None:
        """Give the lease back: another one takes it at once."""
        lease.release(Api.local(timeout=TIMEOUT), self._told.server, LEASE)

    def _see(self) -> Seen | None:
        """Return the Services that ask to be in Consul, and their endpoints; None where that is not known."""
        services, slices = self._services.now(), self._slices.now()
        if services is None or slices is None:
            return None
        asking = {(one.namespace, one.name) for one in services}
        return services, [part for part in slices if (part.namespace, part.service) in asking]

    def _settle_services(self, api: Api, services: list[Service], slices: list[Endpoints]) -> None:
        todo, refused = compare(self._told, api, services, slices)
        self._tell(refused)
        if todo:
            catalogue.settle(writer(), self._told.node, todo, self._term.require)
        for instance in todo.write:
            print(f"{instance.id}: {'ready' if instance.ready else 'not ready'}")
        for key in todo.remove:
            print(f"{key}: removed")

    def _tell(self, refused: dict[str, str]) -> None:
        for name, why in refused.items():
            if self._refused.get(name) != why:
                print(f"Service {name} is not in Consul: {why}")
        self._refused = refused


def settle_corefile(api: Api, forwards: bool, term: Term) -> None:
    """Make CoreDNS ask Consul for names of `consul.`, or not; what somebody else changed meanwhile stays."""
    found = api.find(COREFILE) or {}
    text = (found.get("data") or {}).get("Corefile")
    if text is None or (wanted := corefile.wanted(text, forwards)) == text:
        return
    term.require()
    try:
        api.replace(COREFILE, {**found, "data": {**found["data"], "Corefile": wanted}})
    except ConflictError:
        return
    print(f"CoreDNS {'asks' if forwards else 'does not ask'} Consul for names of {corefile.ZONE}.")


def serve(told: Configuration, stopping: threading.Event) -> None:
    """Do the server's part until it is told to stop."""
    elected = Elected(told)
    elected.start()
    said = ""
    while not stopping.is_set():
        try:
            mine, wrong = elected.turn(), ""
        except HostError as error:
            mine, wrong = False, str(error)
        if wrong and wrong != said:
            print(f"{wrong}; trying again")
        said = wrong
        if mine:
            elected.wait_for_change()
        else:
            stopping.wait(RENEW)
    with contextlib.suppress(HostError):  # the API server here may be gone before: the lease runs out
        elected.stop()


def main() -> None:
    """Serve until systemd says stop; before this server has joined its cluster there is nothing to do."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    while not (apis.KUBERNETES_DIRECTORY / "admin.conf").exists():
        if stopping.wait(RENEW):
            return
    if not apis.is_usable():  # installed meanwhile: systemd starts this again, and then it is there
        sys.exit("this process began before the Python package `kubernetes` was there")
    serve(Configuration.read(), stopping)


if __name__ == "__main__":
    main()
