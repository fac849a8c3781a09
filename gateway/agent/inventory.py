"""inventory: which of what was found is an instance of what: only what a binding names, of what is placed here.

An instance that says which node it is of would be self-assertion (design-notes 4), so discovery says only names and the
tenant's bindings say what they are. One workload is one thing: where two bindings name it the first stands, by mesh and
name, and the other is reported.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.agent.discovery import Instance
from isthmus.xds.directory import Binding, Directory


class Workload(NamedTuple):
    """An instance and what it is: role `node` or `gateway` (a virtual gateway's Envoy) of a mesh."""

    instance: Instance
    mesh: str
    role: str
    of: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is bound, by instance name. `left_out`: instance → why it is no part of any mesh here."""

    workloads: tuple[Workload, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def of(self, mesh: str, role: str) -> Iterator[Workload]:
        """The workloads of one mesh in one role."""
        return (w for w in self.workloads if w.mesh == mesh and w.role == role)


def take(directories: Mapping[str, Directory], instances: Iterable[Instance]) -> Inventory:
    """Match instances to the bindings of every mesh (by id)."""
    claims: dict[str, list[tuple[str, Binding]]] = {}
    for mesh in sorted(directories):
        for binding in directories[mesh].bindings:
            if "file" in binding.match:
                claims.setdefault(binding.match["file"], []).append((mesh, binding))
    workloads, left_out = [], {}
    for instance in instances:
        bound = [_bound(instance, mesh, b, directories[mesh]) for mesh, b in claims.get(instance.name, [])]
        placed = [w for w in bound if isinstance(w, Workload)]
        workloads += placed[:1]
        if not placed:
            left_out[instance.name] = "; ".join(str(why) for why in bound) or "no binding names it"
        elif len(placed) > 1:
            others = ", ".join(f"{w.role} {w.of}" for w in placed[1:])
            left_out[instance.name] = f"it is {placed[0].role} {placed[0].of} and cannot be {others} as well"
    return Inventory(tuple(workloads), left_out)


def _bound(instance: Instance, mesh: str, binding: Binding, directory: Directory) -> Workload | str:
    """The workload, or why it is none."""
    if binding.node is not None:
        if binding.node in directory.nodes:
            return Workload(instance, mesh, "node", binding.node)
        return f"node {binding.node} is not placed in this cluster"
    gateway = binding.gateway or ""
    if gateway not in directory.gateways:
        return f"there is no virtual gateway {gateway} here"
    if not instance.ports:
        return f"it has no port for virtual gateway {gateway}"
    return Workload(instance, mesh, "gateway", gateway)
