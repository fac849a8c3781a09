"""Secrets at rest open only with their master key, only for their purpose, and only unaltered."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from isthmus.adapters.local_signer import create_link_ca, load_link_ca, new_key, unsealed
from isthmus.adapters.sealer import Sealer, Unsealable
from isthmus.errors import Invalid
from isthmus.pki.chain import Untrusted

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer.create(tmp_path / "master")


def test_what_is_sealed_opens_with_the_key_of_the_file(tmp_path: Path, sealer: Sealer) -> None:
    sealed = sealer.seal(b"secret", "authority/a")
    assert b"secret" not in sealed
    assert Sealer.load(tmp_path / "master").open(sealed, "authority/a") == b"secret"
    assert sealed != sealer.seal(b"secret", "authority/a"), "a nonce is never used twice"


def test_another_context_opens_nothing(sealer: Sealer) -> None:
    with pytest.raises(Unsealable):
        sealer.open(sealer.seal(b"secret", "authority/a"), "authority/b")


def test_another_master_key_opens_nothing(tmp_path: Path, sealer: Sealer) -> None:
    with pytest.raises(Unsealable, match="another master key"):
        Sealer.create(tmp_path / "other").open(sealer.seal(b"secret", "a"), "a")


def test_an_altered_byte_anywhere_opens_nothing(sealer: Sealer) -> None:
    sealed = sealer.seal(b"secret", "a")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(Unsealable):
            sealer.open(bytes(altered), "a")
    for length in range(len(sealed)):
        with pytest.raises(Unsealable):
            sealer.open(sealed[:length], "a")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o400, 0o700, 0o666])
def test_a_master_key_of_another_mode_is_refused(tmp_path: Path, sealer: Sealer, mode: int) -> None:
    (tmp_path / "master").chmod(mode)
    with pytest.raises(Invalid, match="0600"):
        Sealer.load(tmp_path / "master")


@pytest.mark.parametrize("text", ["", "00", "0" * 63, "0" * 66, "g" * 64, "0" * 200])
def test_a_malformed_master_key_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(Invalid) as refused:
        Sealer.load(path)
    assert refused.value.violations[0].detail == f"{path} must hold 64 hex digits"


def test_a_folder_or_nothing_is_no_master_key(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(Invalid):
            Sealer.load(path)


def test_a_master_key_is_never_overwritten(tmp_path: Path, sealer: Sealer) -> None:
    with pytest.raises(FileExistsError):
        Sealer.create(tmp_path / "master")


def test_a_key_sealed_for_one_authority_does_not_sign_for_another(sealer: Sealer) -> None:
    signer, sealed = new_key(sealer, "authority/east")
    assert unsealed(sealer, sealed, "authority/east").public_key == signer.public_key
    with pytest.raises(Unsealable):
        unsealed(sealer, sealed, "authority/west")


def test_a_link_ca_is_kept_in_two_files(tmp_path: Path, sealer: Sealer) -> None:
    cert, sealed = tmp_path / "ca.pem", tmp_path / "ca.key"
    sealed.write_bytes(b"what a crash left behind")
    made = create_link_ca(cert, sealed, sealer, now=NOW)
    assert load_link_ca(cert, sealed, sealer, now=NOW).certificate == made
    with pytest.raises(FileExistsError):
        create_link_ca(cert, sealed, sealer, now=NOW)
    with pytest.raises(Untrusted, match="valid from"):
        load_link_ca(cert, sealed, sealer, now=NOW + timedelta(days=4000))


def test_a_link_ca_whose_files_are_no_pair_is_refused(tmp_path: Path, sealer: Sealer) -> None:
    create_link_ca(tmp_path / "a.pem", tmp_path / "a.key", sealer, now=NOW)
    create_link_ca(tmp_path / "b.pem", tmp_path / "b.key", sealer, now=NOW)
    with pytest.raises(Untrusted, match="of the key"):
        load_link_ca(tmp_path / "a.pem", tmp_path / "b.key", sealer, now=NOW)
