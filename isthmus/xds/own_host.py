"""own_host: what a proxy may bind if nobody else on its host is a proxy of the mesh.

Services' addresses are the mesh's, the same for all its proxies: two on one network stack would bind the same ones. So
whoever describes an instance says that it has its host for itself; a pod, a task, a machine with one proxy. The ports
of its own node stay its application's at every address: one that listens at `0.0.0.0`, as most do, could not start
beside a socket at any of them, or would get what is sent there (Linux tells the two apart by who came first).
"""

from dataclasses import dataclass

UNPRIVILEGED = 1024
"""The first port that anybody may bind, where a host says nothing else (`net.ipv4.ip_unprivileged_port_start`)."""


@dataclass(frozen=True, slots=True)
class OwnHost:
    """`low_ports`: whether the proxy may bind ports below 1024, too. `dns`: the port where it answers for names.

    `dns_servers` (address, port) are asked for other names, instead of those of the host. `six`: whether it has IPv6.
    """

    low_ports: bool = False
    dns: int | None = None
    dns_servers: tuple[tuple[str, int], ...] = ()
    six: bool = True

    def binds(self, port: int, *, six: bool = False) -> bool:
        """Whether it may bind a port of a service at its address (IPv6)."""
        return (self.low_ports or port >= UNPRIVILEGED) and (self.six or not six)
