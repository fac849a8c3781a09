"""IPv6 throughout, and a mesh's `ipPreference`, run by real Envoys in a network with addresses of both families."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping

import pytest

ALONE = ["unshare", "--map-root-user", "--net", "--mount"]
FOUR, SIX = "127.88.0.5", "fd00::5"
ANSWERED = {
    "near": "near",
    "both": "both",
    "far": "far",
    "far, its gateway known at IPv4": "far",
    "far, its gateway known at IPv6": "far",
    "both, from outside": "both",
}
"""Whatever is preferred."""

PREFERRED = {
    "None": ([FOUR], FOUR, "outside", "outside"),
    "IPv4_PREFERRED": ([FOUR, SIX], FOUR, "outside", "503"),
    "IPv6_PREFERRED": ([FOUR, SIX], SIX, "outside", "outside"),
    "IPv4_ONLY": ([FOUR, SIX], FOUR, "outside", "503"),
    "IPv6_ONLY": ([FOUR, SIX], SIX, "503", "outside"),
}
"""Where `both` listens and is called, and who answers for a name with two addresses, of which one leads nowhere.

Envoy looks for IPv6 under IPv4_PREFERRED only where a name has no address of IPv4.
"""


def _possible() -> bool:
    """Whether a network of one's own can have IPv6."""
    if not all(map(shutil.which, ("unshare", "ip", "mount"))):
        return False
    added = ["sh", "-c", "ip link set lo up && ip -6 address add fd00::1/128 dev lo nodad"]
    return subprocess.run([*ALONE, *added], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def happened() -> Mapping[str, Mapping[str, object]]:
    if not _possible():
        pytest.skip("no IPv6 in a network of our own")
    command = [*ALONE, sys.executable, "-m", "tests.contract.envoy.dual_stack"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Mapping[str, object]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("preference", PREFERRED)
def test_everyone_is_reached_whatever_the_family(happened: Mapping[str, Mapping[str, object]], preference: str) -> None:
    listens, called, at_four, at_six = PREFERRED[preference]
    assert happened[preference] == ANSWERED | {
        "both listens": listens,
        "both is called at": called,
        "an outside at IPv4": at_four,
        "an outside at IPv6": at_six,
    }


def test_an_address_that_leads_nowhere_is_followed_by_the_other(
    happened: Mapping[str, Mapping[str, object]],
) -> None:
    assert happened["a family that leads nowhere"] == {"both": ["both", "both"]}
