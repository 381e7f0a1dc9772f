"""k8s_admission, simulated: the target's key, the token, the sealed box, the approver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.clock import SimulatedError, Steps, Until
from simulator.modules import fencing
from simulator.objects import Objects, Request, Token

if TYPE_CHECKING:
    from simulator.server import Server
    from simulator.world import World


@dataclass(frozen=True)
class Box:
    """What an admission carries, readable only with the key that it was sealed to."""

    public: str
    server: str
    token: str
    ca: str
    control_plane: bool
    expires: float


def request(world: World, here: Server, fence: int, cluster: str) -> Steps:
    """Make a key pair on the target; the private half is in memory only."""
    yield world.seconds(0.2)
    fencing.admit(world, here, fence)
    world.keys += 1
    here.admission_key = f"key-{world.keys}"
    return {"public": here.admission_key, "addresses": [here.address]}


def mint(
    world: World,
    here: Server,
    fence: int,
    cluster: str,
    spec: dict[str, Any],
    server: str,
    node: str,
    role: str,
    pool: str | None,
    public: str,
    addresses: list[str],
    ttl: int,
) -> Steps:
    """Make a token, seal the box, and approve the node's request for as long as the admission lives."""
    yield world.seconds(0.3)
    fencing.admit(world, here, fence)
    objects = world.api(here)
    world.tokens += 1
    token = Token(f"token-{world.tokens}", server, node, world.now + ttl)
    objects.tokens[token.id] = token
    objects.recorded.add(node)
    world.tell("minted", server=server, auto_approve=objects.auto_approve)
    here.detached.append(world.clock.spawn(_approve(world, here, objects, token)))
    yield world.seconds(0.2)
    box = Box(public, server, token.id, str(here.disk.ca), role == "control-plane", token.expires)
    return {"box": box, "token_id": token.id}


def revoke(world: World, here: Server, token_id: str) -> Steps:
    """Delete a token."""
    yield world.seconds(0.2)
    world.api(here).tokens.pop(token_id, None)
    return {"changed": True}


def open_box(here: Server, box: Box, now: float) -> Box:
    """Open a box on its target; the key is destroyed, whether it fits or not."""
    key, here.admission_key = here.admission_key, None
    if key is None:
        raise SimulatedError("this server asked for no admission, or used it: ask for a new one")
    if (key, here.id) != (box.public, box.server) or now > box.expires:
        raise SimulatedError("the box was not sealed to this server's key, or has expired")
    return box


def _approve(world: World, server: Server, objects: Objects, token: Token) -> Steps:
    """Approve the one request for the admitted node, seen through this server's API server."""

    def pending() -> Request | None:
        request = objects.requests.get(token.id)
        return None if request is None or world.serving(server) is None else request

    def over() -> bool:
        return token.id not in objects.tokens

    yield Until(lambda: over() or pending() is not None, max(0, token.expires - world.now))
    yield world.seconds(0.2)
    request = pending()
    if request is not None and not over() and request.node == token.node:
        request.approved = True
        world.tell("approved", node=request.node, token=token)
        token.used_by = request.node


FUNCTIONS = {"k8s_admission.request": request, "k8s_admission.mint": mint, "k8s_admission.revoke": revoke}
