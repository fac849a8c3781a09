"""An independent reader agrees: `openssl verify -x509_strict` over what we issue, and over what it must refuse."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509

from isthmus.pki import chain, issue, link_ca
from isthmus.values import AgentId
from tests.unit.pki.making import EAST, NOW, WEB, WEST, intermediate, key, link_root, root

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="needs openssl on PATH")


def verdict(folder: Path, anchor: x509.Certificate, shown: Sequence[x509.Certificate], purpose: str) -> bool:
    """Whether openssl believes a chain (leaf first) under one anchor."""
    leaf, *between = shown
    files = {"anchor": [anchor], "leaf": [leaf], "between": between or [leaf]}
    for name, certificates in files.items():
        (folder / name).write_bytes(chain.to_pem(certificates))
    command = [str(OPENSSL), "verify", "-x509_strict", "-check_ss_sig", "-attime", str(int(NOW.timestamp()))]
    command += ["-purpose", purpose, "-CAfile", "anchor", "-untrusted", "between", "leaf"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=20).returncode == 0


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_a_leaf_proves_itself_in_both_roles(tmp_path: Path, purpose: str) -> None:
    top = root()
    ca = intermediate(top)
    for made in (
        issue.leaf(ca, WEB, key().public_key(), serial=9, now=NOW),
        issue.host(ca, EAST, "h1", key().public_key(), serial=9, now=NOW),
        issue.agent_server(ca, EAST, "a-0", ["127.0.0.1"], key().public_key(), serial=9, now=NOW),
    ):
        assert verdict(tmp_path, top.certificate, [made, ca.certificate], purpose)
        assert not verdict(tmp_path, root(WEST).certificate, [made, ca.certificate], purpose)
        assert not verdict(tmp_path, top.certificate, [made], purpose), "the intermediate is needed"


@pytest.mark.parametrize(("purpose", "agents", "hubs"), [("sslclient", True, False), ("sslserver", False, True)])
def test_the_link_cas_two_kinds_are_useless_as_each_other(
    tmp_path: Path,
    purpose: str,
    agents: bool,  # noqa: FBT001
    hubs: bool,  # noqa: FBT001
) -> None:
    ca = link_root()
    agent = link_ca.agent(ca, AgentId(UUID(int=1), UUID(int=2), "a-0"), key().public_key(), serial=8, now=NOW)
    hub = link_ca.server(ca, ["hub.local", "10.0.0.1"], key().public_key(), serial=9, now=NOW)
    assert verdict(tmp_path, ca.certificate, [agent], purpose) is agents
    assert verdict(tmp_path, ca.certificate, [hub], purpose) is hubs
