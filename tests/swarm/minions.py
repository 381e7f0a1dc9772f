"""Simulated minions in one process, on the real bus: Salt's own channels, with real keys and encryption.

Each has a connection and a session of its own with the master. What it answers was made before: nothing is
looked at, no process is forked. `python -m swarm.minions CONFIGURATION` runs them until it is killed.
"""

from __future__ import annotations

import asyncio
import fnmatch
import json
import sys
import time
from pathlib import Path
from typing import Any

import salt.config
import tornado.ioloop
from salt.channel.client import AsyncPubChannel, AsyncReqChannel
from salt.crypt import gen_keys

INVENTORY = "k8s_server.inventory"


class Minion:
    """One simulated minion. inventory: its answer, which it gives after so many seconds."""

    def __init__(self, opts: dict[str, Any], inventory: dict[str, Any], seconds: float) -> None:
        loop = tornado.ioloop.IOLoop.current()
        self._id, self._inventory, self._seconds = opts["id"], inventory, seconds
        self._jobs = AsyncPubChannel.factory(opts, io_loop=loop)
        self._master = AsyncReqChannel.factory(opts, io_loop=loop)
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._jobs.connect()
        self._jobs.on_recv(self._heard)

    async def _heard(self, payload: dict[str, Any]) -> None:
        job = payload["load"]
        if self._meant(job["tgt"]):
            task = asyncio.ensure_future(self._answer(job))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _meant(self, target: str | list[str]) -> bool:
        return fnmatch.fnmatchcase(self._id, target) if isinstance(target, str) else self._id in target

    async def _answer(self, job: dict[str, Any]) -> None:
        said: Any = True  # test.ping
        if job["fun"] == INVENTORY:
            await asyncio.sleep(self._seconds)
            said = {**self._inventory, "clock": time.time()}
        elif job["fun"] == "saltutil.find_job":
            said = {}
        answer = {"return": said, "retcode": 0, "success": True, "fun": job["fun"], "fun_args": job["arg"]}
        await self._master.send({"cmd": "_return", "id": self._id, "jid": job["jid"], **answer})


async def run(configuration: dict[str, Any]) -> None:
    """Start a minion for each answer; tell when all listen."""
    keys = Path(configuration["minion"]["pki_dir"])
    keys.mkdir(parents=True)
    private, public = gen_keys(2048)  # one pair for all: what it costs to use it is the same
    for name, text in (("minion.pem", private), ("minion.pub", public)):
        (keys / name).write_text(text)
    common = salt.config.apply_minion_config(configuration["minion"], minion_id="swarm")
    swarm = [
        Minion({**common, "id": server}, said, configuration["seconds"])
        for server, said in configuration["answers"].items()
    ]
    await asyncio.gather(*(minion.start() for minion in swarm))
    print("all listen", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
