"""tls: App Mesh's own TLS: what a listener shows and demands, and how a caller's policy makes its calls travel.

Between proxies calls travel in the mesh's own mutual TLS, which nobody has to ask for. App Mesh's TLS takes its place
where it was really asked for: by a caller that enforces its policy, for that caller's calls; by a listener that
validates its clients, for all calls to it, because a member of the mesh without such a certificate would else get in.
Without names a caller demands the one under which its backend is found (appmesh.md §3.4).
"""

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

    Whom the listener would have a certificate of, and has none, is refused: that is what was written.
    """
    name = node.hostname
    if said is not None and said.covers(listener.port):
        if said.enforced or _validates(listener):
            demanded = said.server if said.server.names else replace(said.server, names=(name,))
            return Calling(said.certificate, demanded, name, everywhere=said.enforced)
        return None
    return Calling(None, Demand(None), name, everywhere=False) if _validates(listener) else None


def demand(said: TlsValidationContext | ListenerTlsValidationContext) -> Demand:
    """A validation context."""
    names = said.subject_alternative_names
    return Demand(_trust(said.trust), () if names is None else tuple(names.match.exact))


def _validates(listener: Listener) -> bool:
    return listener.tls is not None and listener.tls.clients is not None


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
