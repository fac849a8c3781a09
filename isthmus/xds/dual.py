"""dual: of an instance that has addresses of both families, where it listens and where it is called.

Without an `ipPreference` the address is the one that is said first, as ever; App Mesh's listeners were at IPv4 alone
then (appmesh.md §3.5). With any value they are at both, and callers take them in its order: Envoy tries the second 300
ms after the first (RFC 8305), so a family that leads nowhere costs no request. A value with ONLY leaves out the other
family, but never all there is: an instance that nobody could call would help nobody.
"""

from collections.abc import Sequence

from isthmus.ir.families import Families

ANYWHERE = "::"
"""Every address of both families; `0.0.0.0` is every address of IPv4."""


def family(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4


def listened(addresses: Sequence[str], families: Families) -> Sequence[str]:
    """Where an instance's proxy listens."""
    return addresses if families else addresses[:1]


def called(addresses: Sequence[str], families: Families) -> Sequence[str]:
    """Where an instance is called, the preferred address first."""
    if not families:
        return addresses[:1]
    return [a for wanted in families for a in addresses if family(a) == wanted] or addresses
