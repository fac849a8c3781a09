"""own_host: what a proxy may bind if nobody else on its host is a proxy of the mesh, and what is asked for without it.

Services' addresses are the mesh's, the same for all its proxies: two on one network stack would bind the same ones. So
whoever describes an instance says that it has its host for itself; a pod, a task, a machine with one proxy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isthmus.xds import names, tcp
from isthmus.xds.snapshot import Resource, Type

UNPRIVILEGED = 1024
"""The first port that anybody may bind, where a host says nothing else (`net.ipv4.ip_unprivileged_port_start`)."""


@dataclass(frozen=True, slots=True)
class OwnHost:
    """`low_ports`: whether the proxy may bind ports below 1024, too. `dns`: the port where it answers for names.

    `dns_servers` (address, port) are asked for other names, instead of those of the host.
    """

    low_ports: bool = False
    dns: int | None = None
    dns_servers: tuple[tuple[str, int], ...] = ()

    def binds(self, port: int) -> bool:
        """Whether it may bind a port of a service."""
        return self.low_ports or port >= UNPRIVILEGED


def asked_for(resources: Sequence[Resource]) -> list[Resource]:
    """Without the tables and filters of listeners that are not among the resources."""
    listeners = {r.name: r for r in resources if r.type == Type.LISTENER}
    ends = set(_ends(listeners.values()))
    return [r for r in resources if _is_asked_for(r, listeners.keys(), ends)]


def _is_asked_for(resource: Resource, listeners: Iterable[str], ends: Iterable[str]) -> bool:
    match resource.type:
        case Type.ROUTES:
            return resource.name in listeners
        case Type.EXTENSION:
            end = resource.name.startswith("tcp/")
            return resource.name in ends if end else names.slot_listener(resource.name) in listeners
    return True


def _ends(listeners: Iterable[Resource]) -> Iterable[str]:
    """The last filters of what takes connections for services: one may end several chains."""
    for listener in listeners:
        if names.connected_port(listener.name) is not None or names.vip_port(listener.name) is not None:
            yield tcp.leads_to(listener)
