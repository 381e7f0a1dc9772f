"""Fill the storage directory of a docker-registry, by running one for a moment and pushing images to it."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from datacenter.command import LAST_LINES, run
from datacenter.deadline import wait_until
from datacenter.errors import PermanentError

from site_build.image import Image, write_archive

START_SECONDS = 30
PUSH_SECONDS = 300
STOP_SECONDS = 30
_CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {storage}}}}}
http: {{addr: "{address}"}}
"""


def push_images(images: list[Image], program: Path, storage: Path) -> None:
    """Run the docker-registry `program` on loopback with this storage, and push images to it."""
    with _serving(program, storage) as address, ThreadPoolExecutor(os.cpu_count()) as workers:
        # list(): the first failure is raised here.
        list(workers.map(lambda image: _push(image, address), images))


def _push(image: Image, address: str) -> None:
    with tempfile.TemporaryDirectory(prefix="site-build-") as temporary:
        archive = Path(temporary) / "image.tar"
        write_archive(image, archive)
        copy = ("skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false")
        # Every server unpacks every image, and of gzip that is a tenth of all that a provision does.
        copy += ("--format=oci", "--dest-compress-format=zstd")
        run(*copy, f"docker-archive:{archive}", f"docker://{address}/{image.name}", timeout=PUSH_SECONDS)


@contextmanager
def _serving(program: Path, storage: Path) -> Iterator[str]:
    """Run a registry on loopback for as long as it is being filled."""
    address = f"127.0.0.1:{_free_port()}"
    with tempfile.TemporaryDirectory(prefix="site-build-") as temporary:
        config, log = Path(temporary) / "config.yml", Path(temporary) / "log"
        config.write_text(_CONFIG.format(storage=storage, address=address))
        with log.open("w") as output:
            # Even a build that is killed outright leaves no registry behind.
            bound = ("setpriv", "--pdeathsig", "TERM")
            server = subprocess.Popen([*bound, program, "serve", config], stdout=output, stderr=output)
        try:
            wait_until(f"docker-registry on {address}", lambda: _answers(server, address, log), START_SECONDS)
            yield address
        finally:
            server.terminate()
            server.wait(STOP_SECONDS)


def _answers(server: subprocess.Popen[bytes], address: str, log: Path) -> bool:
    if server.poll() is not None:
        last = "\n  ".join(log.read_text().splitlines()[-LAST_LINES:])
        raise PermanentError(f"docker-registry ended with exit status {server.returncode}:\n  {last}")
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
