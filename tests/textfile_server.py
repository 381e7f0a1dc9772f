"""One server as the script of our own metrics sees it: real certificates, files, a systemctl."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client.parser import text_string_to_metric_families

SCRIPT = Path(__file__).parents[1] / "states/k8s/files/k8s_textfile.py"
NOW = datetime.now(UTC).replace(microsecond=0)


def certificate(name, days, authority=None):
    """A certificate for a name and 127.0.0.1, with its key: both PEM; signed by an authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = (authority[2].subject, authority[3]) if authority else (subject, key)
    address = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=30))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, secret, made, key


class Server:
    """One server as the script sees it: files, a systemctl, ports."""

    def __init__(self, folder):
        self.folder = folder
        self.files = folder / "pki"
        self.files.mkdir()
        self.target = folder / "textfile" / "k8s.prom"
        self.target.parent.mkdir()
        self.configuration = {
            "certificate_files": [f"{self.files}/*"],
            "certificate_ports": [],
            "node_files": [str(folder / "kubelet.conf")],
            "node_ports": [],
            "services": [],
            "kubelet": None,
            "containerd": None,
            "node": None,
            "consul": None,
            "highstate": str(folder / "highstate.json"),
            "interval": 60,
        }
        self.systemctl("exit 1")

    def systemctl(self, text):
        path = self.folder / "bin" / "systemctl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self):
        """Run the script; return the metrics' values by name and labels, and what it complained of."""
        path = self.folder / "configuration.json"
        path.write_text(json.dumps(self.configuration))
        environment = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(
            [sys.executable, "-I", SCRIPT, path, self.target],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return self.read(), done.stderr

    def read(self):
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(self.target.read_text())
            for sample in family.samples
        }
