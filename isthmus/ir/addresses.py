"""addresses: at which addresses of its own a virtual service is called, and on which ports.

Every service has a VIP, the same in all clusters, so a name means something also where nothing of the service runs. An
IPv6 address stands beside it where the mesh asks for IPv6: hosts have to be told of that range, as they do not of
127.0.0.0/8, so it is not on by itself. IPv6_ONLY says how instances are called, and takes the IPv4 address from nobody:
App Mesh's listeners were at both then (appmesh.md §3.5), and a name without one is denied to whoever asks for IPv4
(`isthmus.xds.dns`).
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from uuid import UUID

from isthmus.ir.families import IPV6, Families, of_mesh
from isthmus.ir.mesh import Service
from isthmus.ir.said import Said
from isthmus.ir.services import WEB
from isthmus.model.vips import beside


def addressed(service: Service, said: Said, mesh: UUID) -> Service:
    """The service with its addresses; none if it was given none yet."""
    vip = said.vips.get(service.name)
    return service if vip is None else replace(service, addresses=tuple(_told(vip, mesh, of_mesh(said))))


def request_ports(service: Service) -> tuple[int, ...]:
    """Where requests are taken at a service's addresses: where its provider says, or where a bare name asks."""
    return service.listens or ((WEB,) if service.routes else ())


@lru_cache(maxsize=2**14)
def resolvable(name: str) -> bool:
    """Whether DNS can be asked for a name (RFC 1035 §2.3.4); underscores are no host's, and asked for all the same."""
    return len(name) <= _LONGEST and all(_LABEL.fullmatch(label) for label in name.split("."))


_LONGEST = 253
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")


def _told(vip: str, mesh: UUID, families: Families) -> Iterator[str]:
    yield vip
    if IPV6 in families:
        yield beside(mesh, vip)
