"""The command line: which commands there are and what words they take."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import commands, layout, machine, state
from .errors import LabError

# Commands whose further words another program reads, with the number of words before those.
_PASSED_ON = {"exec": 1, "logs": 1, "salt-call": 1, "salt": 0, "salt-run": 0, "salt-key": 0}
_INTERRUPTED = 130  # as a shell reports it


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    own, words = _split(arguments)
    options = _parser().parse_args(own)
    options.words = words
    try:
        machine.require_root()
        state.refuse_foreign()
        options.function(options)
    except LabError as error:
        print(f"lab/dc: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab/dc: interrupted; the same command again goes on from here", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Keep argparse's hands off the words that another program reads, options like -L first of all."""
    if not arguments or arguments[0] not in _PASSED_ON:
        return arguments, []
    own = 1 + _PASSED_ON[arguments[0]]
    words = arguments[own:]
    return arguments[:own], words[1:] if words[:1] == ["--"] else words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab/dc", description="Datacenters on one machine.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, function: Callable[[argparse.Namespace], None], summary: str, *positional: str
    ) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=summary, description=summary)
        added.set_defaults(function=function, program=name)
        for word in positional:
            added.add_argument(word)
        return added

    build = command("build", commands.build, "build what servers start from and what the mirror serves")
    build.add_argument("--binaries", type=Path, help="directory of compiled components, instead of compiling")
    command("up", commands.up, "bring up a layout; what is up already stays", "layout")
    command("status", commands.status, "show every server and every cut")
    command("down", commands.down, "leave nothing of the lab on this machine")
    _add_server_arguments(command("add", commands.add, "put one more server into the lab"))
    command("start", commands.start, "boot a server that is off", "server")
    command("stop", commands.stop, "shut a server down in order", "server")
    command("kill", commands.kill, "cut a server's power", "server")
    command("reinstall", commands.reinstall, "put a new disk into a server; its key stays", "server")
    command("freeze", commands.freeze, "stop every process of a server where it stands", "server")
    command("thaw", commands.thaw, "let a frozen server go on", "server")
    command("cut", commands.cut, "drop all traffic between two servers or datacenters", "one", "other")
    command("heal", commands.heal, "undo every cut")
    command("exec", commands.execute, "run a command in a server: exec SERVER -- COMMAND", "server")
    command("logs", commands.logs, "show a server's journal; further words go to journalctl", "server")
    command("salt-call", commands.salt_call, "run salt-call on a server", "server")
    command("salt", commands.on_master, "run salt on the master")
    command("salt-run", commands.on_master, "run salt-run on the master")
    command("salt-key", commands.on_master, "run salt-key on the master")
    return parser


def _add_server_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="server")
    parser.add_argument("--datacenter", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--environment")
    parser.add_argument("--role", choices=layout.ROLES)
    parser.add_argument("--pool")
    parser.add_argument("--pending", action="store_true", help="do not accept the new minion's key")
