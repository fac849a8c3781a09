"""unsecured: what of App Mesh's TLS in a definition has no effect, or makes calls fail.

A policy has effect where a call travels by it: to a port that it covers, if it is enforced or the server demands it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from isthmus.ir import tls
from isthmus.ir.mesh import Ineffective
from isthmus.ir.said import Said
from isthmus.ir.services import Askable, called, service
from isthmus.ir.transport import Policy
from isthmus.model.key import Key
from isthmus.model.kinds.listener_certificates import ListenerCertificatesSpec
from isthmus.model.kinds.virtual_gateway import VirtualGatewayListener, VirtualGatewaySpec
from isthmus.model.kinds.virtual_node import Listener, VirtualNodeSpec
from isthmus.model.patterns import wildcard

_DISABLED = "TLS of this listener is disabled"
_STRICT = "the node's transport is strict, so no plaintext is taken"
_UNASKED = "it is not enforced, and no backend demands it: calls between proxies are in the mesh's own mutual TLS"
_UNCALLED = "no backend is called by this policy"
_TOO_WILD = "Envoy takes no pattern with so many wildcards, so no certificate is for this name"
_WILD = "a wildcard stands for other names only where TLS is not enforced"

Port = tuple[str, int]
"""A port of a virtual node."""


class _Said(NamedTuple):
    """A policy, where it stands, and the services that are called by it."""

    pointer: str
    policy: Policy
    services: tuple[str, ...]


def of_node(key: Key, spec: VirtualNodeSpec, said: Said) -> Iterator[Ineffective]:
    """A node's listeners, and its policies."""
    yield from _of_listeners(key, spec.listeners or (), permissive=said.permissive(key.name))
    for each in _of_backends(spec):
        yield from _of_policy(key, each, said)


def of_gateway(key: Key, spec: VirtualGatewaySpec, said: Said) -> Iterator[Ineffective]:
    """A gateway's listeners, and its policy. Plaintext from outside is not the mesh's to refuse."""
    yield from _of_listeners(key, spec.listeners, permissive=True)
    policy = tls.default_policy(spec.backend_defaults)
    if policy is not None:
        routes = (said.gateway_routes.get(key.name) or {}).values()
        services = {r.route.action.target.virtual_service.virtual_service_name for r in routes}
        yield from _of_policy(key, _Said(_DEFAULT, policy, tuple(sorted(services))), said)


def of_certificates(key: Key, spec: ListenerCertificatesSpec, said: Said) -> Iterator[Ineffective]:
    """Further certificates of a listener that shows none, or is not there."""
    of = spec.of
    found = (said.nodes if of.kind == "VirtualNode" else said.gateways).get(of.name)
    listener = next(
        (each for each in (found.listeners or () if found else ()) if each.port_mapping.port == spec.port), None
    )
    if listener is None:
        yield Ineffective(key, "/spec/port", f"{of.kind} {of.name} has no listener at port {spec.port}")
    elif listener.tls is None or listener.tls.mode == "DISABLED":
        reason = f"the listener at port {spec.port} of {of.kind} {of.name} has no TLS, so it shows no certificate"
        yield Ineffective(key, "/spec/certificates", reason)


_DEFAULT = "/spec/backendDefaults/clientPolicy/tls"


def _of_listeners(
    key: Key, listeners: Sequence[Listener | VirtualGatewayListener], *, permissive: bool
) -> Iterator[Ineffective]:
    for i, listener in enumerate(listeners):
        at = f"/spec/listeners/{i}/tls"
        if listener.tls is None:
            continue
        if listener.tls.mode == "DISABLED":
            yield Ineffective(key, f"{at}/certificate", _DISABLED)
            if listener.tls.validation is not None:
                yield Ineffective(key, f"{at}/validation", _DISABLED)
        elif listener.tls.mode == "PERMISSIVE" and not permissive:
            yield Ineffective(key, f"{at}/mode", _STRICT)


def _of_backends(spec: VirtualNodeSpec) -> Iterator[_Said]:
    """The default for those without a policy of their own, and each of these."""
    listed = [(i, b.virtual_service) for i, b in enumerate(spec.backends or ()) if b.virtual_service is not None]
    own = {b.service for _, b in listed if b.client_policy is not None}
    default = tls.default_policy(spec.backend_defaults)
    if default is not None:
        yield _Said(_DEFAULT, default, tuple(sorted({b.service for _, b in listed} - own)))
    for i, backend in listed:
        policy = tls.policy(backend.client_policy)
        if policy is not None:
            yield _Said(f"/spec/backends/{i}/virtualService/clientPolicy/tls", policy, (backend.service,))


def _of_policy(key: Key, each: _Said, said: Said) -> Iterator[Ineffective]:
    ports = _called(each.services, said)
    covered = [port for port in ports if each.policy.covers(port[1])]
    used = [port for port in covered if each.policy.enforced or _shown(port, said, validating=True)]
    if not used:
        yield Ineffective(key, each.pointer, _UNASKED if covered else _UNCALLED)
        return
    for i, number in enumerate(each.policy.ports):
        if number not in {port for _, port in ports}:
            yield Ineffective(
                key, f"{each.pointer}/ports/{i}", "no backend that is called by this policy has this port"
            )
    yield from (Ineffective(key, each.pointer, reason) for reason in _failing(each.policy, used, said))
    for i, name in enumerate(each.policy.server.names):
        if "*" in name and (each.policy.enforced or wildcard(name) is None):
            at = f"{each.pointer}/validation/subjectAlternativeNames/match/exact/{i}"
            yield Ineffective(key, at, _WILD if each.policy.enforced else _TOO_WILD)


def _failing(policy: Policy, used: Iterable[Port], said: Said) -> Iterator[str]:
    """Why calls that travel by a policy fail."""
    for node, port in used:
        if not _shown((node, port), said):
            yield f"virtual node {node} takes no TLS on port {port}, so calls to it fail"
        elif not policy.server.names and not tls.hostname(said.nodes[node]):
            yield f"virtual node {node} is found by no name that its certificate could be for, so calls to it fail"


def _called(services: Iterable[str], said: Said) -> tuple[Port, ...]:
    """Every port that calls of these lead to."""
    known = Askable(said.services)
    found: set[Port] = set()
    for name in services:
        if name in known:
            made = service(name, said)
            found.update(called(made.all_routes))
            found.update((target.node, target.port) for port in made.tcp for target in port.targets)
    return tuple(sorted(found))


def _shown(port: Port, said: Said, *, validating: bool = False) -> bool:
    """Whether a port takes TLS, and if asked for demands a certificate."""
    node, number = port
    listened = (each for each in said.nodes[node].listeners or () if each.port_mapping.port == number)
    shown = (tls.shown(each.tls, permissive=False) for each in listened)
    return any(each is not None and (each.clients is not None or not validating) for each in shown)
