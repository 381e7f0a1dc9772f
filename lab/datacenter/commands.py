"""What each command does: read its words, call the part of the lab that does the work.

What only few commands need, and is long to import, they import themselves: most enter a server and are gone.
"""

import dataclasses
import os
from argparse import Namespace
from pathlib import Path

from . import control_groups, disk, layout, machine, network, server, state
from .errors import LabError
from .paths import BUILD, LAYOUTS
from .progress import say
from .status import table


def build(options: Namespace) -> None:
    """Build what servers start from and what the mirror serves; what is built already stays."""
    from site_build import pipeline  # noqa: PLC0415

    from . import root  # noqa: PLC0415

    machine.prepare(say, compiling=options.binaries is None)
    root.build(say)
    pipeline.build(BUILD, options.binaries, say)


def up(options: Namespace) -> None:
    """Bring up a layout, given as a path or by the bare name of one that is kept with the lab."""
    from . import lab  # noqa: PLC0415

    name = options.layout
    path = Path(name) if name.endswith(".yaml") else LAYOUTS / f"{name}.yaml"
    machine.prepare(say, compiling=False)
    print(table(lab.up(path.resolve(), say)))


def status(_: Namespace) -> None:
    """Show every server and every cut."""
    print(table(state.current_layout()))


def down(_: Namespace) -> None:
    """Leave nothing of the lab on this machine."""
    from . import lab  # noqa: PLC0415

    lab.down(say)


def add(options: Namespace) -> None:
    """Put one more server into the lab."""
    from . import lab  # noqa: PLC0415

    fields = [field.name for field in dataclasses.fields(layout.Server)]
    lab.add(layout.Server(**{field: getattr(options, field) for field in fields}), say)


def start(options: Namespace) -> None:
    """Boot a server that is off."""
    from . import lab  # noqa: PLC0415

    lab.start_all([_server(options)], state.current_layout(), say)


def stop(options: Namespace) -> None:
    """Shut a server down in order."""
    server.stop(_server(options))


def kill(options: Namespace) -> None:
    """Cut a server's power."""
    control_groups.kill(_server(options).id)


def reinstall(options: Namespace) -> None:
    """Put a new disk into a server, as a reinstallation does; the master knows its key."""
    from . import lab  # noqa: PLC0415

    lab.reinstall(_server(options), say)


def freeze(options: Namespace) -> None:
    """Stop every process of a server where it stands."""
    control_groups.freeze(_running(options).id)


def thaw(options: Namespace) -> None:
    """Let a frozen server go on."""
    control_groups.thaw(_running(options).id)


def cut(options: Namespace) -> None:
    """Drop all traffic between two servers or datacenters."""
    network.cut(state.current_layout(), options.one, options.other)


def heal(_: Namespace) -> None:
    """Undo every cut."""
    network.heal()


def execute(options: Namespace) -> None:
    """Become a command in a server; a shell if none is given."""
    server.become(_server(options), options.words or ["bash", "-l"])


def logs(options: Namespace) -> None:
    """Become journalctl in a server, or, if it is off, on the journal that its disk has."""
    found = _server(options)
    words = ["journalctl", "--no-pager", *options.words]
    if server.leader(found):
        server.become(found, words)
    journal = disk.tree(found) / "var/log/journal"
    os.execvp("journalctl", [*words, f"--directory={journal}"])  # noqa: S606


def salt_call(options: Namespace) -> None:
    """Become salt-call in a server."""
    server.become(_server(options), ["salt-call", *options.words])


def on_master(options: Namespace) -> None:
    """Become one of Salt's programs in the master."""
    master = state.current_layout().servers[layout.MASTER]
    server.become(master, [options.program, *options.words])


def _server(options: Namespace) -> layout.Server:
    servers = state.current_layout().servers
    if options.server not in servers:
        raise LabError(f"there is no server {options.server}; there are {', '.join(servers)}")
    return servers[options.server]


def _running(options: Namespace) -> layout.Server:
    found = _server(options)
    if server.leader(found) is None:
        raise LabError(f"{found.id} is off; start it: lab/dc start {found.id}")
    return found
