"""Chromium without a window, by its own protocol: it opens pages, presses keys, tells what is there.

https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import itertools
import json
import shutil
import subprocess
import time
import urllib.request

from tornado.websocket import websocket_connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DEADLINE = 60.0
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40}
# When what the page shows is on the screen: the second frame after everything is loaded.
SHOWN = """
new Promise((told) => {
  const frames = () => requestAnimationFrame(() => requestAnimationFrame(() => told()));
  document.readyState === "complete" ? frames() : addEventListener("load", frames);
})
"""


class Browser:
    """One window of it."""

    def __init__(self, profile):
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        options = [f"--user-data-dir={profile}", "--window-size=1680,1050", "about:blank"]
        self._process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
        self._loop = asyncio.new_event_loop()
        self._numbers = itertools.count(1)
        self._connection = self._loop.run_until_complete(self._connected(self._address(profile)))
        self.command("Page.enable")
        self.command("Performance.enable", timeDomain="threadTicks")

    def _address(self, profile):
        noted, deadline = profile / "DevToolsActivePort", time.monotonic() + DEADLINE
        while not (noted.exists() and noted.read_text().count("\n")):
            assert time.monotonic() < deadline, "chromium does not say where it listens"
            time.sleep(0.05)
        port = noted.read_text().split()[0]
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}/json/list", timeout=DEADLINE) as answer:
            pages = [one for one in json.load(answer) if one["type"] == "page"]
        return pages[0]["webSocketDebuggerUrl"]

    async def _connected(self, address):
        return await websocket_connect(address)

    def close(self):
        self._connection.close()
        self._loop.close()
        self._process.terminate()
        self._process.wait()

    def command(self, method, **parameters):
        return self._loop.run_until_complete(asyncio.wait_for(self._said(method, parameters), DEADLINE))

    async def _said(self, method, parameters):
        number = next(self._numbers)
        given = {"id": number, "method": method, "params": parameters}
        await self._connection.write_message(json.dumps(given))
        while True:
            said = json.loads(await self._connection.read_message())
            if said.get("id") == number:
                assert "error" not in said, (method, said)
                return said["result"]

    def open(self, path):
        """Open a file; return once it is shown."""
        self.command("Page.navigate", url=path.as_uri())
        self.evaluate(SHOWN)

    def evaluate(self, script):
        """Return the value of a script, which the page's policy does not concern."""
        answer = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def processor_seconds(self):
        """What the process that draws the page has used of a processor so far."""
        metrics = self.command("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "ProcessTime")

    def press(self, key, times=1):
        """Press a key of the keyboard."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        codes = {"windowsVirtualKeyCode": KEYS[key]} if key in KEYS else {}
        for _ in range(times):
            self.command("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, **codes)
            self.command("Input.dispatchKeyEvent", type="keyUp", key=key, **codes)

    def write(self, text):
        for letter in text:
            self.press(letter)
