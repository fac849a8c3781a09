"""tls: App Mesh's own TLS: what a listener shows and demands, and how a caller's policy makes its calls travel.

Between proxies calls travel in the mesh's own mutual TLS, which nobody has to ask for. App Mesh's TLS takes its place
where it was really asked for: by a caller that enforces its policy, for that caller's calls; by a listener that
validates its clients, for all calls to it, because a member of the mesh without such a certificate would else get in.
And it is all that there is to proxies that are not ours. Without names a caller demands the one under which its backend
is found (appmesh.md §3.4).
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from isthmus.ir.mesh import Listener, Node
from isthmus.ir.transport import Calling, Demand, Material, Policy, Shown, Source
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.model.tls import (
    BackendDefaults,
    ClientPolicy,
    ClientTlsCertificate,
    ListenerTls,
    ListenerTlsCertificate,
    ListenerTlsValidationContext,
    ListenerTlsValidationContextTrust,
    TlsValidationContext,
    TlsValidationContextTrust,
)

_SNI = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z_.-]{0,251}[0-9A-Za-z_])?")
"""What can be asked for in TLS (RFC 6066 §3); Envoy refuses more than 255 bytes, and Cloud Map has longer names."""


def shown(said: ListenerTls | None, further: Iterable[str] = (), *, permissive: bool) -> Shown | None:
    """A listener's TLS; None if it has none, or has it disabled. `further`: ARNs of more certificates, by SNI."""
    if said is None or said.mode == "DISABLED":
        return None
    certificates = (_certificate(said.certificate), *(Material(Source.MANAGED, (arn,)) for arn in further))
    clients = None if said.validation is None else demand(said.validation)
    return Shown(certificates, clients, plaintext=said.mode == "PERMISSIVE" and permissive)


def default_policy(said: BackendDefaults | None) -> Policy | None:
    """What a caller demands of backends that say nothing themselves."""
    return policy(None if said is None else said.client_policy)


def policy(said: ClientPolicy | None) -> Policy | None:
    """A client policy; one without TLS demands nothing."""
    if said is None or said.tls is None:
        return None
    enforced = said.tls.enforce is not False
    certificate = None if said.tls.certificate is None else _certificate(said.tls.certificate)
    server = replace(demand(said.tls.validation), wild=not enforced)
    return Policy(enforced, tuple(said.tls.ports or ()), certificate, server)


def own_policies(spec: VirtualNodeSpec) -> tuple[tuple[str, Policy | None], ...]:
    """The backends of a node that have a policy of their own, which stands instead of the default."""
    found = {}
    for backend in spec.backends or ():
        service = backend.virtual_service
        if service is not None and service.client_policy is not None:
            found[service.service] = policy(service.client_policy)
    return tuple(sorted(found.items()))


def hostname(spec: VirtualNodeSpec) -> str:
    """The name under which a node is found from outside; empty if nobody said one."""
    found = spec.service_discovery
    if found is not None and found.dns is not None:
        return found.dns.hostname.rstrip(".")
    if found is not None and found.aws_cloud_map is not None:
        return f"{found.aws_cloud_map.service_name}.{found.aws_cloud_map.namespace_name}"
    return ""


def calling(said: Policy | None, node: Node, listener: Listener) -> Calling | None:
    """How a caller with this policy calls a port of a node; None for the mesh's own way.

    Whom the listener would have a certificate of, and has none, is refused: that is what was written. Instances without
    a proxy of ours may have App Mesh's, which takes no plaintext where the listener's TLS is strict: without a policy
    callers negotiated it by themselves there (appmesh.md §3.4).
    """
    by = said if said is not None and said.covers(listener.port) else None
    enforced = by is not None and by.enforced
    asked = listener.tls is not None and listener.tls.clients is not None
    proxied = enforced or asked
    bare = enforced or (listener.tls is not None and not listener.tls.plaintext)
    if not proxied and not bare:
        return None
    certificate = None if by is None else by.certificate
    name = node.hostname if _SNI.fullmatch(node.hostname) else ""
    return Calling(certificate, _demanded(by, node), name, proxied, asked, bare)


def _demanded(by: Policy | None, node: Node) -> Demand:
    if by is None:
        return Demand(None)
    return by.server if by.server.names else replace(by.server, names=(node.hostname,))


def demand(said: TlsValidationContext | ListenerTlsValidationContext) -> Demand:
    """A validation context."""
    names = said.subject_alternative_names
    return Demand(_trust(said.trust), () if names is None else tuple(names.match.exact))


def _certificate(said: ListenerTlsCertificate | ClientTlsCertificate) -> Material:
    if said.file is not None:
        return Material(Source.FILE, (said.file.certificate_chain, said.file.private_key))
    if said.sds is not None:
        return Material(Source.SDS, (said.sds.secret_name,))
    assert isinstance(said, ListenerTlsCertificate), "a client's certificate is a file's or an SDS's"
    assert said.acm is not None, "a union has exactly one member"
    return Material(Source.MANAGED, (said.acm.certificate_arn,))


def _trust(said: TlsValidationContextTrust | ListenerTlsValidationContextTrust) -> Material:
    if said.file is not None:
        return Material(Source.FILE, (said.file.certificate_chain,))
    if said.sds is not None:
        return Material(Source.SDS, (said.sds.secret_name,))
    assert isinstance(said, TlsValidationContextTrust), "whom a listener trusts is a file's or an SDS's"
    assert said.acm is not None, "a union has exactly one member"
    return Material(Source.MANAGED, tuple(sorted(set(said.acm.certificate_authority_arns))))
