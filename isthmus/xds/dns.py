"""dns: what a proxy answers when its application asks for an address: a backend's VIP, or what the host's DNS says.

Measured on Envoy 1.40: its filter knows names in the spelling it was told and in no other, so each is told in the four
that people use; a question for an IPv6 address of a name that has none goes to the host's DNS, which denies the name,
and some resolvers (musl) then believe that it has no address at all: so an IPv4 address is told in IPv6's words as well
(RFC 4291 §2.5.5.2), by which a socket of either family reaches it. Where a kernel has no IPv6 Envoy can be told neither
(`isthmus.xds.unbindable`), and whoever asks for both there and believes so has no name. Of 95,000 questions none was
lost over ten changes of the table. Where the host's DNS is this very listener, a question goes round 259 times within 7
ms and is denied, for so many may wait. Types other than A, AAAA and SRV are answered "not implemented", and a resolver
asks its next server.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache

from envoy.config.core.v3 import address_pb2, base_pb2, extension_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.data.dns.v3 import dns_table_pb2
from envoy.extensions.filters.udp.dns_filter.v3 import dns_filter_pb2
from envoy.extensions.network.dns_resolver.cares.v3 import cares_dns_resolver_pb2
from google.protobuf import any_pb2

from isthmus.ir.addresses import resolvable
from isthmus.ir.mesh import Service
from isthmus.values import DNS_PORT
from isthmus.xds import names
from isthmus.xds.joined import field, numbers
from isthmus.xds.listeners import DNS_PLACEHOLDER
from isthmus.xds.own_host import OwnHost
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import lasting, packed

TTL = 30_000
"""The shortest that Envoy allows. An address never moves while its service stands, so longer would do as well."""

PATIENCE, MOST_LOOKUPS = 2_000, 256
"""How long the host's DNS is waited for, and how many wait for it at once."""


def listener(services: Iterable[Service]) -> Resource:
    """Where the services are asked for; of two that DNS cannot tell apart the first by name is meant."""
    told: dict[str, bytes] = {}
    for service in sorted(services, key=lambda each: each.name):
        if service.addresses and resolvable(service.name):
            for name, domain in _domains(service.name, service.addresses):
                told.setdefault(name, domain)
    table = b"".join(field(_DOMAINS, domain) for domain in told.values())
    said = _BEFORE + field(_SERVER, field(_TABLE, table)) + _AFTER
    packed_said = field(_TYPE_URL, _TYPE) + field(_VALUE, said)
    asked = field(_NAME, _FILTER) + field(_TYPED, packed_said)
    return Resource(Type.LISTENER, names.DNS, _HEAD + field(_FILTERS, asked) + _TAIL)


@lru_cache(maxsize=2**14)
def _domains(name: str, addresses: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    """Each spelling of a name with what it is answered, serialized: most are told by many proxies."""
    domain = dns_table_pb2.DnsTable.DnsVirtualDomain(answer_ttl=lasting(TTL))
    domain.endpoint.address_list.address.extend(_answered(addresses))
    out = {}
    for spelled in _spelled(name):
        domain.name = spelled
        out[spelled] = domain.SerializeToString(deterministic=True)
    return tuple(out.items())


def localised(resource: Resource, address: str, own_host: OwnHost, bound: Container[str]) -> Resource:
    """The listener at an instance; it asks `dns_servers` what it does not know, or the servers of its host.

    Of its answers it keeps those that lead to `bound`, where its proxy takes what is sent to services. Nobody would be
    at the others, while a name that the proxy does not know is looked up as if there were no proxy.
    """
    out = listener_pb2.Listener.FromString(resource.body)
    out.address.socket_address.address = address
    out.address.socket_address.port_value = own_host.dns or DNS_PORT
    said = dns_filter_pb2.DnsFilterConfig.FromString(out.listener_filters[0].typed_config.value)
    table = said.server_config.inline_dns_table
    kept = [domain for domain in table.virtual_domains if _leading_to(domain, bound, six=own_host.six)]
    table.ClearField("virtual_domains")
    table.virtual_domains.extend(kept)
    if own_host.dns_servers:
        said.client_config.typed_dns_resolver_config.CopyFrom(_resolver(own_host.dns_servers))
    out.listener_filters[0].typed_config.CopyFrom(packed(said))
    return Resource(resource.type, resource.name, out.SerializeToString(deterministic=True))


def _leading_to(domain: dns_table_pb2.DnsTable.DnsVirtualDomain, bound: Container[str], *, six: bool) -> bool:
    """Whether anything is left of a name's answers without those that lead nowhere."""
    addresses = domain.endpoint.address_list.address
    kept = [each for each in addresses if each.removeprefix(_MAPPED) in bound and (six or ":" not in each)]
    addresses[:] = kept
    return bool(kept)


_MAPPED = "::ffff:"
"""Before an IPv4 address in IPv6's words."""


def _spelled(name: str) -> Iterator[str]:
    yield from (name.lower(), name, name.upper(), name.capitalize())


def _answered(addresses: Sequence[str]) -> Iterator[str]:
    yield from addresses
    if not any(":" in address for address in addresses):
        yield from (f"{_MAPPED}{address}" for address in addresses)


def _resolver(servers: Sequence[tuple[str, int]]) -> extension_pb2.TypedExtensionConfig:
    said = cares_dns_resolver_pb2.CaresDnsResolverConfig()
    for server, port in servers:
        said.resolvers.add(socket_address=address_pb2.SocketAddress(address=server, port_value=port))
    said.dns_resolver_options.no_default_search_domain = True
    return extension_pb2.TypedExtensionConfig(name="envoy.network.dns_resolver.cares", typed_config=packed(said))


def _head() -> listener_pb2.Listener:
    out = listener_pb2.Listener(name=names.DNS)
    out.address.socket_address.protocol = address_pb2.SocketAddress.UDP
    out.address.socket_address.address = DNS_PLACEHOLDER
    out.address.socket_address.port_value = DNS_PORT
    return out


def _asking() -> dns_filter_pb2.DnsFilterConfig:
    out = dns_filter_pb2.DnsFilterConfig()
    out.client_config.resolver_timeout.CopyFrom(lasting(PATIENCE))
    out.client_config.max_pending_lookups = MOST_LOOKUPS
    out.client_config.typed_dns_resolver_config.CopyFrom(_resolver(()))
    return out


_FILTER = b"envoy.filters.udp.dns_filter"
_TYPE = f"type.googleapis.com/{dns_filter_pb2.DnsFilterConfig.DESCRIPTOR.full_name}".encode()
_HEAD = _head().SerializeToString(deterministic=True)
_TAIL = listener_pb2.Listener(traffic_direction=base_pb2.OUTBOUND).SerializeToString(deterministic=True)
(_FILTERS,) = numbers(listener_pb2.Listener, "listener_filters")
_NAME, _TYPED = numbers(listener_components_pb2.ListenerFilter, "name", "typed_config")
_TYPE_URL, _VALUE = numbers(any_pb2.Any, "type_url", "value")
_BEFORE = dns_filter_pb2.DnsFilterConfig(stat_prefix=names.DNS).SerializeToString(deterministic=True)
_AFTER = _asking().SerializeToString(deterministic=True)
(_SERVER,) = numbers(dns_filter_pb2.DnsFilterConfig, "server_config")
(_TABLE,) = numbers(dns_filter_pb2.DnsFilterConfig.ServerContextConfig, "inline_dns_table")
(_DOMAINS,) = numbers(dns_table_pb2.DnsTable, "virtual_domains")
"""What is the same for all, serialized: every node has such a listener."""
