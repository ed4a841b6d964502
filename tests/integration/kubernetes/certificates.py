"""Certificates of an API server on loopback and of its administrator."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """Files of a certificate and its private key; the account's key has no certificate of use."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Certificates:
    """``admin`` is in the group that may do everything; ``accounts`` signs tokens of service accounts."""

    authority: Path
    server: Pair
    admin: Pair
    accounts: Pair

    @classmethod
    def made(cls, folder: Path) -> Certificates:
        """New ones below ``folder``, for a day."""
        authority_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-authority")])

        def signed(name: str, subject: x509.Name, *extensions: x509.ExtensionType) -> Pair:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            certificate = _signed(subject, key.public_key(), authority, authority_key, *extensions)
            return _written(folder, name, certificate, key)

        root = _signed(
            authority, authority_key.public_key(), authority, authority_key, x509.BasicConstraints(ca=True, path_length=None)
        )
        loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
        administrator = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters")]
        administrator += [x509.NameAttribute(NameOID.COMMON_NAME, "admin")]
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        return cls(
            authority=_written(folder, "authority", root, authority_key).certificate,
            server=signed("server", named, loopback, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
            admin=signed("admin", x509.Name(administrator), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
            accounts=signed("accounts", named),
        )


def _signed(
    subject: x509.Name, key: rsa.RSAPublicKey, issuer: x509.Name, issuer_key: rsa.RSAPrivateKey, *extensions: x509.ExtensionType
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - _VALID).not_valid_after(now + _VALID)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())


def _written(folder: Path, name: str, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> Pair:
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.touch(mode=0o600)
    pair.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )
    return pair
