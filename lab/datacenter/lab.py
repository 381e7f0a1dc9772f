"""The lab as a whole: bring it up, add to it, take it down."""

import compileall
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from . import (
    control_groups,
    disk,
    machine_settings,
    network,
    root,
    salt_bus,
    salt_config,
    salt_keys,
    server,
    state,
)
from .deadline import wait_until
from .errors import LabError
from .exclusive import exclusive
from .layout import MASTER, MIRROR, Layout, Server, load
from .paths import CHECKOUT, KEYS, LOCK, SECRETS, SERVERS, SITE
from .progress import Say

ANSWER_SECONDS = 240


def up(path: Path, say: Say) -> Layout:
    """Bring up every server of a layout that is not up yet, and wait until each is usable."""
    load(path)
    with exclusive(LOCK, "lab/dc up"):
        state.claim()
        state.save_layout(path)
        root.build(say)
        if not (SITE / "apt").exists():
            say(f"the mirror will serve nothing: {SITE} is not built; build it, now or later: lab/dc build")
        layout = state.current_layout()
        machine_settings.raise_limits()
        network.ensure(layout)
        _compile_code()
        _bring_up(layout.servers.values(), layout, say)
    return layout


def add(new: Server, say: Say) -> None:
    """Put one more server into the lab, from the same root as all others."""
    with exclusive(LOCK, "lab/dc add"):
        layout = state.add_server(new)
        _bring_up([new], layout, say)


def reinstall(known: Server, say: Say) -> None:
    """Cut a server's power, throw its disk away, and bring it up on a new one."""
    with exclusive(LOCK, "lab/dc reinstall"):
        layout = state.current_layout()
        control_groups.kill(known.id)
        shutil.rmtree(disk.directory(known), ignore_errors=True)
        _bring_up([known], layout, say)


def start_all(servers: Iterable[Server], layout: Layout, say: Say) -> None:
    """Start the servers that are off, all at once, and wait until each has booted."""
    off = [each for each in servers if server.leader(each) is None]
    for each in off:
        if not disk.is_made(each):
            _make_disk(each, layout)
        server.start(each, _shared(each, layout))
    say(f"booting {', '.join(each.id for each in off) or 'nothing: all are up'}")
    with ThreadPoolExecutor(max_workers=len(off) or 1) as pool:
        waiting = {pool.submit(server.wait_booted, each): each for each in off}
        for booted in as_completed(waiting):
            booted.result()
            say(f"{waiting[booted].id} has booted")


def down(say: Say) -> None:
    """Leave nothing of the lab on the machine, found by its name: no file is asked what there is."""
    with exclusive(LOCK, "lab/dc down"):
        for name in control_groups.servers():
            control_groups.kill(name)
            control_groups.remove(name)
            server.remove_traces(name)
        control_groups.remove_lab()
        network.remove()
        machine_settings.restore_limits()
        for directory in (SERVERS, KEYS):
            if directory.exists():
                shutil.rmtree(directory)
        state.release()
    say("the lab is down; build/ keeps what it was built from")


def wait_answering(layout: Layout, minions: Iterable[Server], say: Say) -> None:
    """Wait until every one of the minions answers the master."""
    master = layout.servers[MASTER]
    silent = {minion.id: minion for minion in minions}

    def all_answered() -> bool:
        # Asking a minion that is not connected would cost the full time-out.
        listening = salt_bus.connected(master)
        asked = sorted(minion.id for minion in silent.values() if minion.address in listening)
        for answered in salt_bus.answering(master, asked) if asked else ():
            say(f"{answered} answers Salt")
            del silent[answered]
        return not silent

    try:
        wait_until("every minion to answer test.ping", all_answered, ANSWER_SECONDS, interval=0.5)
    except LabError as error:
        silent_ones = ", ".join(sorted(silent))
        raise LabError(f"{error}\n  silent: {silent_ones}\n  Look at: lab/dc logs {min(silent)}") from error


def _compile_code() -> None:
    """Compile what the master's commands import, as pip does: they cannot write to the checkout."""
    for directory in CHECKOUT.glob("_*"):
        compileall.compile_dir(directory, quiet=2)


def _bring_up(servers: Iterable[Server], layout: Layout, say: Say) -> None:
    wanted = list(servers)
    for known in filter(disk.is_made, layout.servers.values()):
        disk.update_hosts(server.files(known) / "etc/hosts", layout)
    master = layout.servers[MASTER]
    if disk.is_made(master):
        salt_keys.accept(server.files(master), disk.root(master), layout.minions)
    start_all(wanted, layout, say)
    wait_answering(layout, [each for each in wanted if each in layout.minions], say)


def _make_disk(each: Server, layout: Layout) -> None:
    lower = root.mirror_root() if each.id == MIRROR else root.server_root()
    disk.make(each, layout, lower)
    if each.id == MASTER:
        salt_config.install_master(disk.tree(each), lower, layout)
    elif each.is_minion:
        salt_config.install_minion(disk.tree(each), layout, each)
    disk.complete(each)


def _shared(each: Server, layout: Layout) -> list[str]:
    """Return the options that show a server what is the site's own, live and read-only."""
    shared: dict[Path, str] = {}
    if each.id == MASTER:
        shared = {CHECKOUT: salt_config.CODE}
        if layout.pillar:
            shared[layout.pillar] = salt_config.PILLAR
            shared[SECRETS] = salt_config.SECRETS
    elif each.id == MIRROR:
        # Not the directories in it one by one: a new build puts new ones in their place.
        shared = {SITE: "/srv/site"}
    for source in shared:
        source.mkdir(parents=True, exist_ok=True)
    if SECRETS in shared:
        salt_keys.protect(SECRETS, disk.root(each))
    return [f"--bind-ro={source}:{target}" for source, target in shared.items()]
