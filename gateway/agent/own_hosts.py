"""own_hosts: which proxies bind services' own addresses: those that have their host for themselves, one of each host.

The instances file says who has (`vips`). Where two of one host say so they would bind the same addresses: the first by
name does, and the other goes on as one that shares its host, which is said of it. Whether a host has IPv6 its Envoy
alone says, by refusing what needs it; then it is told the IPv4 half, and has gone without answers for a moment.
"""

from collections.abc import Collection, Iterable, Mapping

from gateway.agent.acks import Sighting
from gateway.agent.inventory import Workload
from gateway.agent.plans import NODE
from isthmus.xds.own_host import OwnHost
from isthmus.xds.unbindable import is_without_six


def own_hosts(workloads: Iterable[Workload], without_six: Collection[str] = ()) -> Mapping[str, OwnHost | str]:
    """What proxies may bind beside their own ports, by name, or why they may not though their instances say so.

    `without_six`: those that were seen to run where there is no IPv6.
    """
    out: dict[str, OwnHost | str] = {}
    first: dict[str, str] = {}
    saying = (w.instance for w in workloads if w.instance.vips and w.instance.proxied and w.role == NODE)
    for i in sorted(saying, key=lambda each: each.name):
        has = first.setdefault(i.host, i.name)
        if has == i.name:
            out[i.name] = OwnHost(i.low_ports, i.dns, i.dns_servers, six=i.name not in without_six)
        else:
            out[i.name] = f"services' own addresses at host {i.host} are {has}'s to bind (`vips`), so it binds none"
    return out


def said_without_six(seen: Sighting) -> bool:
    """Whether a proxy refuses something because its host has no IPv6: so from then on it is not told such again."""
    return any(is_without_six(nack.type, nack.name, nack.message) for nack in seen.nacks)
