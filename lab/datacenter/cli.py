"""The command line: arguments in, one function of the lab called, what it says out."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import site_build

from . import control_groups, lab, layout, machine, network, root, server, state
from .errors import LabError
from .paths import BUILD, LAYOUTS
from .progress import say

# Commands whose further words another program reads, with the number of words before those.
_PASSED_ON = {"exec": 1, "logs": 1, "salt-call": 1, "salt": 0, "salt-run": 0, "salt-key": 0}


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(_shield(arguments))
    try:
        machine.require_root()
        state.refuse_foreign()
        options.command(options)
    except LabError as error:
        print(f"lab/dc: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab/dc: interrupted; the same command again goes on from here", file=sys.stderr)
        return 130
    return 0


def _shield(arguments: Sequence[str]) -> list[str]:
    """Keep argparse's hands off the words that belong to another program, options like -L first of all."""
    own = 1 + _PASSED_ON.get(arguments[0], 0) if arguments else 0
    if not arguments or arguments[0] not in _PASSED_ON or "-h" in arguments[:own] or "--help" in arguments[1:2]:
        return list(arguments)
    words = list(arguments[own:])
    return [*arguments[:own], "--", *(words[1:] if words[:1] == ["--"] else words)]


def _build(options: argparse.Namespace) -> None:
    machine.prepare(say, compiling=options.binaries is None)
    root.build(say)
    site_build.build(BUILD, options.binaries, say)


def _up(options: argparse.Namespace) -> None:
    machine.prepare(say, compiling=False)
    current = lab.up(_layout_path(options.layout), say)
    _print_status(current)


def _status(options: argparse.Namespace) -> None:
    _print_status(state.current_layout())


def _exec(options: argparse.Namespace) -> None:
    _become(options.server, options.words)


def _salt(options: argparse.Namespace) -> None:
    _become(layout.MASTER, [options.name, *options.words])


def _salt_call(options: argparse.Namespace) -> None:
    _become(options.server, ["salt-call", *options.words])


def _logs(options: argparse.Namespace) -> None:
    _become(options.server, ["journalctl", "--no-pager", *options.words])


def _stop(options: argparse.Namespace) -> None:
    server.stop(_server(options.server))


def _start(options: argparse.Namespace) -> None:
    current = state.current_layout()
    lab.start_all([_server(options.server)], current, say)


def _kill(options: argparse.Namespace) -> None:
    server.kill(_server(options.server))


def _freeze(options: argparse.Namespace) -> None:
    control_groups.freeze(_server(options.server).id)


def _thaw(options: argparse.Namespace) -> None:
    control_groups.thaw(_server(options.server).id)


def _add(options: argparse.Namespace) -> None:
    fields = [field.name for field in dataclasses.fields(layout.Server)]
    lab.add(layout.Server(**{field: getattr(options, field) for field in fields}), say)


def _cut(options: argparse.Namespace) -> None:
    network.cut(state.current_layout(), options.one, options.other)


def _heal(options: argparse.Namespace) -> None:
    network.heal()


def _down(options: argparse.Namespace) -> None:
    lab.down(say)


def _server(name: str) -> layout.Server:
    servers = state.current_layout().servers
    if name not in servers:
        raise LabError(f"there is no server {name}; there are {', '.join(servers)}")
    return servers[name]


def _become(name: str, words: Sequence[str]) -> None:
    server.become(_server(name), words)


def _layout_path(name: str) -> Path:
    """Take a path, or the bare name of a layout that is kept with the lab."""
    path = Path(name) if name.endswith(".yaml") else LAYOUTS / f"{name}.yaml"
    return path.resolve()


def _print_status(current: layout.Layout) -> None:
    rows = [("SERVER", "STATE", "DATACENTER", "ENVIRONMENT", "ROLE", "POOL", "ADDRESS")]
    for each in current.servers.values():
        rows.append(
            (each.id, _condition(each), each.datacenter, each.environment or "-", each.role or "-", each.pool or "-",
             each.address)
        )  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for cut in network.cuts(current):
        print(f"cut: {cut}")


def _condition(each: layout.Server) -> str:
    if server.leader(each) is None:
        return "off"
    return "frozen" if control_groups.is_frozen(each.id) else "up"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab/dc", description="Datacenters on one machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function, help_text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_text, description=help_text)
        sub.set_defaults(command=function, name=name)
        return sub

    build = command("build", _build, "build what servers start from")
    build.add_argument("--binaries", type=Path, help="take the Kubernetes binaries from here instead of compiling")
    command("up", _up, "bring up a layout; what is up already stays").add_argument("layout")
    command("status", _status, "show every server and every cut")
    command("down", _down, "leave nothing of the lab on this machine")
    command("heal", _heal, "undo every cut")
    one_server = {
        "stop": (_stop, "shut a server down in order"),
        "start": (_start, "boot a server that is off"),
        "kill": (_kill, "cut a server's power"),
        "freeze": (_freeze, "stop every process of a server where it stands"),
        "thaw": (_thaw, "let a frozen server go on"),
    }
    for name, (function, help_text) in one_server.items():
        command(name, function, help_text).add_argument("server")
    cut = command("cut", _cut, "drop all traffic between two servers or datacenters")
    cut.add_argument("one")
    cut.add_argument("other")
    add = command("add", _add, "put one more server into the lab")
    add.add_argument("id", metavar="server")
    add.add_argument("--datacenter", required=True)
    add.add_argument("--address", required=True)
    add.add_argument("--environment")
    add.add_argument("--role", choices=layout.ROLES)
    add.add_argument("--pool")
    add.add_argument("--pending", action="store_true", help="leave the new minion's key unaccepted")
    for name, function, help_text, has_server in (
        ("exec", _exec, "run a command in a server: exec SERVER -- CMD", True),
        ("logs", _logs, "show a server's journal; further arguments go to journalctl", True),
        ("salt-call", _salt_call, "run salt-call on a server", True),
        ("salt", _salt, "run salt on the master", False),
        ("salt-run", _salt, "run salt-run on the master", False),
        ("salt-key", _salt, "run salt-key on the master", False),
    ):
        sub = command(name, function, help_text)
        if has_server:
            sub.add_argument("server")
        sub.add_argument("words", nargs="*")
    return parser
