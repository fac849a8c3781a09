"""given: a cluster that has the mesh of `tests.build`, in one line."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.agent.discovery import Found, Gateway, Instance
from gateway.agent.offers import Mesh, accept
from gateway.agent.world import Place, World
from gateway.proto import link_pb2 as link
from isthmus.model.definition import Definition
from isthmus.values import mesh_label
from isthmus.xds.compile import compile_mesh
from isthmus.xds.snapshot import Snapshot
from tests import build
from tests.golden.cases import MESH_ID, surroundings

MESH = str(MESH_ID)
EAST = UUID(int=1)
DOMAIN = "east-1.acme.isthmus.internal"
EAST_WEST_VIEW = f"east-west/{mesh_label(MESH_ID)}@1.40"
TRUST = {DOMAIN: (b"-----BEGIN CERTIFICATE-----\n",)}


def offer(definition: Definition | None = None, *, sequence: int = 1, bodies: bool = True) -> link.Offer:
    """The mesh as a hub offers it to east."""
    made = snapshot(definition)
    position = link.Position(
        lane=link.DEFINITION, mesh=MESH, sequence=sequence, generation=sequence, version=made.manifest.version
    )
    out = link.Offer(position=position, phase="contract", manifest=made.manifest.text().encode())
    if bodies:
        out.bodies.extend(
            link.Body(version=v, type=r.type, name=r.name, body=r.body) for v, r in made.resources.items()
        )
    return out


def snapshot(definition: Definition | None = None) -> Snapshot:
    """What the compiler makes of it for east."""
    return compile_mesh(definition or build.mesh(), surroundings(), "east").snapshot


def mesh(definition: Definition | None = None, *, sequence: int = 1) -> Mesh:
    """The same, accepted."""
    return accept(offer(definition, sequence=sequence), {})


def instance(name: str, ports: Mapping[int, int] | None = None, **more: Any) -> Instance:  # noqa: ANN401 - its fields
    """An instance on host h1 with a proxy before port 8080, unless told otherwise."""
    made: dict[str, Any] = {"host": "h1", "address": "10.0.0.1", "ports": {8080: 15006} if ports is None else ports}
    return Instance(name, **(made | more))


FRONT, BLUE, GREEN = instance("front"), instance("blue", address="10.0.0.2"), instance("green", address="10.0.0.3")
INGRESS = instance("ingress", {9080: 9081}, address="10.0.0.4")
GATEWAY = Gateway("ew", "h1", "10.0.0.9", 15443)


def world(*instances: Instance, gateways: tuple[Gateway, ...] = (), **more: Any) -> World:  # noqa: ANN401 - its fields
    """East with the mesh and these instances, whose proxies have all been seen."""
    made: dict[str, Any] = {
        "place": Place("east", EAST, "us-east-1", DOMAIN),
        "meshes": {MESH: mesh()},
        "trust": TRUST,
        "found": Found(instances, gateways),
        "proxied": {each.name: each.ports for each in instances if each.ports},
    }
    return World(**(made | more))
