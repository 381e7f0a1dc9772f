"""What Debian's promtool says of the metrics made here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from debian_binary import debian_binary
from textfile_server import Server, certificate


def test_promtool_finds_nothing_wrong(tmp_path: Path) -> None:
    server = Server(tmp_path)
    (server.files / "one.crt").write_bytes(certificate("one", 90)[0])
    noted = {"ended": 20.5, "states": 30, "failures": 2, "unfinished": 30.0}
    Path(server.configuration["highstate"]).write_text(json.dumps(noted))
    (server.folder / "kubelet.conf").touch()
    server.configuration.update(services=["consul"], kubelet="http://127.0.0.1:1", containerd="/nowhere.sock")
    server.run()
    promtool = debian_binary("prometheus", "promtool")
    with server.target.open() as file:
        done = subprocess.run(
            [promtool, "check", "metrics"], stdin=file, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
