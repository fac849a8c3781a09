"""local signer: keys made here, sealed under the master key, and unsealed only to sign.

The default where there is no KMS. A sealed key is PKCS #8 in DER; its context says which authority it is, so the key of
one cluster cannot be put in another's place.
"""

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from isthmus.adapters.sealer import Sealer, Unsealable, write_private
from isthmus.pki import link_ca, verify
from isthmus.pki.chain import Untrusted, parse_pem, to_pem
from isthmus.pki.signer import Issuer, KeySigner
from isthmus.values import BASE_DOMAIN

_LINK_CA = "link-ca"


def new_key(sealer: Sealer, context: str) -> tuple[KeySigner, bytes]:
    """A fresh P-256 key as a signer, and sealed for keeping."""
    key = ec.generate_private_key(ec.SECP256R1())
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeySigner(key), sealer.seal(plain, context)


def unsealed(sealer: Sealer, sealed: bytes, context: str) -> KeySigner:
    """The signer that `new_key` sealed under this context; Unsealable otherwise."""
    key = serialization.load_der_private_key(sealer.open(sealed, context), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Unsealable(f"what is sealed as {context} is no EC key")
    return KeySigner(key)


def create_link_ca(
    cert_file: Path, key_file: Path, sealer: Sealer, *, now: datetime, base: str = BASE_DOMAIN
) -> x509.Certificate:
    """A link CA in two new files: its certificate in PEM, its key sealed. FileExistsError rather than a second one.

    The certificate is written last, so a key without one is what a crash left behind, and is replaced.
    """
    if cert_file.exists():
        raise FileExistsError(cert_file)
    key_file.unlink(missing_ok=True)
    signer, sealed = new_key(sealer, _LINK_CA)
    root = link_ca.create(signer, serial=x509.random_serial_number(), now=now, base=base)
    write_private(key_file, sealed)
    write_private(cert_file, to_pem([root]))
    return root


def load_link_ca(cert_file: Path, key_file: Path, sealer: Sealer, *, now: datetime, base: str = BASE_DOMAIN) -> Issuer:
    """The link CA of `create_link_ca`. Untrusted if it has expired, is none of ours, or the files are no pair."""
    root, *others = parse_pem(cert_file.read_bytes())
    signer = unsealed(sealer, key_file.read_bytes(), _LINK_CA)
    if others or root.public_key() != signer.public_key:
        raise Untrusted(f"{cert_file} must hold one certificate, of the key in {key_file}")
    verify.link_authority(root, base, now=now)
    return Issuer(signer, root)
