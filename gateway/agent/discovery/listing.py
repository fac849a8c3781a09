"""listing: the instances file as a shape: what it may say, and every violation of what it must not.

Names become folder names on the warden's host and addresses become Envoy's, which resolves nothing here; so names are
plain and addresses are IP addresses.
"""

from collections.abc import Hashable, Iterator
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from gateway.agent.discovery import Found, Gateway, Health, Instance
from isthmus.errors import Invalid, Violation
from isthmus.hostport import joined, parted
from isthmus.model.reading import CODES, pointer_of
from isthmus.values import DNS_PORT, OUTBOUND_PORT

_LAST_PORT = 65535
_DNS = 53


def _address(text: str) -> str:
    """An IP address as it is spelled everywhere. One with a zone (`fe80::1%eth0`) means something on one host only."""
    try:
        if "%" not in text:
            return str(ip_address(text))
    except ValueError:
        pass
    raise PydanticCustomError("not_an_address", "must be an IP address, without a zone")


def _own_address(text: str) -> str:
    """An address that one instance alone has."""
    address = ip_address(_address(text))
    if address.is_unspecified or address.is_multicast:
        raise PydanticCustomError("not_its_own", "must be an address of this instance alone, at which others reach it")
    return str(address)


def _reachable(text: str) -> str:
    try:
        host, port = parted(text)
    except ValueError:
        raise PydanticCustomError("not_an_address", "must be ADDRESS:PORT") from None
    if not 0 < port <= _LAST_PORT:
        raise PydanticCustomError("not_an_address", "must be ADDRESS:PORT")
    return joined(_address(host), port)


def _server(text: str) -> str:
    """An address with a port: DNS's own, where none is said."""
    return joined(_address(text), _DNS) if _is_address(text) else _reachable(text)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
Address = Annotated[str, AfterValidator(_address)]
OwnAddress = Annotated[str, AfterValidator(_own_address)]
Reachable = Annotated[str, AfterValidator(_reachable)]
Server = Annotated[str, AfterValidator(_server)]
Port = Annotated[int, Field(ge=1, le=_LAST_PORT)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class InstanceEntry(_Part):
    """One instance of the file. `also`: its address of the other family of IP."""

    name: Name
    host: Name
    address: OwnAddress
    also: OwnAddress = ""
    ports: dict[Port, Port] = {}
    zone: str = ""
    health: Literal["healthy", "unhealthy", "draining"] = "healthy"
    outbound: Port | None = None
    vips: bool = False
    low_ports: bool = False
    dns: Port = DNS_PORT
    dns_servers: Annotated[tuple[Server, ...], Field(strict=False)] = ()
    grpc: bool = False

    @model_validator(mode="after")
    def _both(self) -> Self:
        """Two of one family would be two instances."""
        if self.also and ip_address(self.also).version == ip_address(self.address).version:
            raise PydanticCustomError("same_family", "`also` must be of the other family of IP than `address`")
        return self

    @property
    def proxied(self) -> bool:
        """Whether a proxy stands before it."""
        return bool(self.ports) or self.outbound is not None

    def found(self) -> Instance:
        """The same as discovery sees it."""
        servers = tuple(parted(text) for text in self.dns_servers)
        return Instance(**dict(self) | {"health": Health(self.health), "dns_servers": servers})

    @property
    def in_vain(self) -> tuple[str, ...]:
        """What says something of services' addresses where they are not bound."""
        said = ("low_ports", "dns", "dns_servers")
        return () if self.vips else tuple(name for name in said if name in self.model_fields_set)


class GatewayEntry(_Part):
    """One east-west gateway of the file. One at `0.0.0.0` or `::` (both families) is reached at `public` ones alone."""

    name: Name
    host: Name
    address: Address
    port: Port
    public: Annotated[tuple[Reachable, ...], Field(strict=False)] = ()


class Listing(_Part):
    """The file. Both lists may be left out."""

    instances: Annotated[tuple[InstanceEntry, ...], Field(strict=False)] = ()
    gateways: Annotated[tuple[GatewayEntry, ...], Field(strict=False)] = ()


def parse(text: str) -> Found:
    """The file's text as what is found; Invalid with every violation.

    An empty text is refused, not read as "nothing runs here": that is what a half-written file looks like.
    """
    try:
        listing = Listing.model_validate(_decode(text))
    except ValidationError as error:
        raise Invalid(_violations(error)) from None
    wrong = [*_named_twice(listing), *_without_vips(listing), *_vips_in_vain(listing), *_both_ways(listing)]
    if wrong:
        raise Invalid(wrong)
    instances = sorted((entry.found() for entry in listing.instances), key=lambda i: i.name)
    gateways = sorted((Gateway(**dict(entry)) for entry in listing.gateways), key=lambda g: g.name)
    return Found(tuple(instances), tuple(gateways))


def _violations(error: ValidationError) -> Iterator[Violation]:
    for one in error.errors(include_url=False, include_input=False):
        code, detail = CODES.get(one["type"], (one["type"], one["msg"]))
        yield Violation(pointer_of(one["loc"]), code, detail.format(**one.get("ctx", {})))


def _named_twice(listing: Listing) -> Iterator[Violation]:
    """Instances and gateways share one space of names: a host's proxies are told apart by it."""
    seen: set[str] = set()
    named = [(f"/instances/{i}/name", entry.name) for i, entry in enumerate(listing.instances)]
    named += [(f"/gateways/{i}/name", entry.name) for i, entry in enumerate(listing.gateways)]
    for at, name in named:
        if name in seen:
            yield Violation(at, "duplicate_name", f"{name!r} stands here twice")
        seen.add(name)


def _without_vips(listing: Listing) -> Iterator[Violation]:
    for i, entry in enumerate(listing.instances):
        for name in entry.in_vain:
            yield Violation(f"/instances/{i}/{name}", "needs_vips", "has no effect without `vips: true`")


def _vips_in_vain(listing: Listing) -> Iterator[Violation]:
    """Services' addresses without a proxy that binds them, and names at a port that it takes requests at."""
    for i, entry in enumerate(listing.instances):
        if entry.vips and not entry.proxied:
            yield Violation(f"/instances/{i}/vips", "needs_proxy", f"no proxy of {entry.name!r} would bind addresses")
        if entry.vips and entry.dns == (entry.outbound or OUTBOUND_PORT):
            detail = f"{entry.dns} is where the proxy of {entry.name!r} takes requests (`outbound`)"
            yield Violation(f"/instances/{i}/dns", "same_port", detail)


def _both_ways(listing: Listing) -> Iterator[Violation]:
    """A proxy and gRPC's own client cannot have one socket, and one identity would stand for two."""
    for i, entry in enumerate(listing.instances):
        if entry.grpc and entry.proxied:
            detail = f"{entry.name!r} has the ports of a proxy, so its application calls through that"
            yield Violation(f"/instances/{i}/grpc", "proxied", detail)


class _Loader(yaml.SafeLoader):
    """YAML without a key twice, of which PyYAML would silently drop the first."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for i, (key, (at, _)) in enumerate(zip(keys, node.value, strict=True)):
        if key in keys[:i]:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands here twice", at.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _decode(text: str) -> Any:  # noqa: ANN401 - decoded YAML
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise Invalid.one("", "not_yaml", " ".join(str(error).split())) from None
    except (TypeError, RecursionError) as error:  # an unhashable key, or brackets without end
        raise Invalid.one("", "not_yaml", str(error)) from None
