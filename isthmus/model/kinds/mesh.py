"""Mesh: what holds for everything in it. Its documents are the definition itself (`isthmus.model.definition`)."""

from typing import Literal

from isthmus.model.kind import ResourceKind
from isthmus.model.structure import Maybe, Structure

IpPreference = Literal["IPv6_PREFERRED", "IPv4_PREFERRED", "IPv4_ONLY", "IPv6_ONLY"]


class EgressFilter(Structure):
    """Whether proxies may call what is not in the mesh."""

    type: Literal["ALLOW_ALL", "DROP_ALL"]


class MeshServiceDiscovery(Structure):
    """How addresses are chosen where a node does not say it."""

    ip_preference: Maybe[IpPreference] = None


class MeshSpec(Structure):
    """App Mesh's MeshSpec."""

    egress_filter: Maybe[EgressFilter] = None
    service_discovery: Maybe[MeshServiceDiscovery] = None


KIND = ResourceKind("Mesh", MeshSpec, "meshes")
