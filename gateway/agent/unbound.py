"""unbound: the nodes that are called from here and that no cluster has instances of: what is asked for, what is said.

What other clusters export must be known first: a name is asked for because there are no instances, not because nobody
has told us of them yet.
"""

from collections.abc import Iterator, Mapping, Sequence

from gateway.agent.discovery.answers import Sight
from gateway.proto import link_pb2 as link
from isthmus.ir.found import CloudMap, Discovery, Dns
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import LocalInstance
from isthmus.xds.resolved import Resolved, hostname

Sights = Mapping[Discovery, Sight]


def unbound(
    directory: Directory, local: Sequence[LocalInstance], imports: link.Imports | None
) -> Mapping[str, Discovery]:
    """What is to be asked for, by node."""
    if not directory.discovered or (imports is None and directory.peers):
        return {}
    bound = {instance.node for instance in local} | set(_elsewhere(imports))
    return {node: question for node, question in directory.discovered.items() if node not in bound}


def _elsewhere(imports: link.Imports | None) -> Iterator[str]:
    """What clusters that are not dead export."""
    for peer in imports.peers if imports else ():
        if peer.state != "dead":
            yield from (node.node for node in peer.nodes if node.slots or node.count)


def resolved(asked: Mapping[str, Discovery], sights: Sights) -> Mapping[str, Resolved]:
    """The nodes that have addresses."""
    known = ((node, question, sights.get(question)) for node, question in asked.items())
    return {n: Resolved(hostname(q), sight.addresses) for n, q, sight in known if sight and sight.addresses}


def said(asked: Mapping[str, Discovery], sights: Sights) -> Iterator[link.Resolved]:
    """What the tenant is told of them, by node."""
    for node, question in sorted(asked.items()):
        source, name = _named(question)
        sight = sights.get(question, Sight())
        addresses = [address.ip for address in sight.addresses]
        yield link.Resolved(
            node=node, source=source, asked=name, addresses=addresses, stale=sight.stale, error=sight.error
        )


def _named(question: Discovery) -> tuple[str, str]:
    match question:
        case Dns(name):
            return "dns", name
        case CloudMap(namespace, service):
            return "cloud-map", f"{namespace}/{service}"
