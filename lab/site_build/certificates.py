"""Certificate authorities of the site and what they sign, by openssl."""

from dataclasses import dataclass
from pathlib import Path

from datacenter.command import run

_DAYS = "3650"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_AUTHORITY = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
_LEAF = ("basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth")


@dataclass(frozen=True)
class Authority:
    """A certificate authority, whose files are in a directory that others cannot read."""

    name: str
    directory: Path

    @property
    def certificate(self) -> str:
        """Return its certificate, in PEM."""
        return self._path.with_suffix(".pem").read_text()

    @property
    def _path(self) -> Path:
        return self.directory / self.name

    def create(self) -> "Authority":
        """Make its certificate and key."""
        run(
            "openssl", "req", "-x509", *_CURVE, "-keyout", f"{self._path}.key", "-out", f"{self._path}.pem",
            "-subj", f"/CN={self.name}", "-days", _DAYS, *_extensions(*_AUTHORITY),
        )  # fmt: skip
        return self

    def sign(self, name: str, *names: str) -> dict[str, str]:
        """Return a certificate for subject alternative names (`DNS:...`, `IP:...`), and its key."""
        path = self.directory / f"{self.name}-{name}"
        alternatives = f"subjectAltName={','.join(names)}"
        run(
            "openssl", "req", "-x509", *_CURVE, "-keyout", f"{path}.key", "-out", f"{path}.pem",
            "-CA", f"{self._path}.pem", "-CAkey", f"{self._path}.key",
            "-subj", f"/CN={name}", "-days", _DAYS, *_extensions(alternatives, *_LEAF),
        )  # fmt: skip
        return {"certificate": Path(f"{path}.pem").read_text(), "key": Path(f"{path}.key").read_text()}


def _extensions(*extensions: str) -> list[str]:
    return [word for extension in extensions for word in ("-addext", extension)]
