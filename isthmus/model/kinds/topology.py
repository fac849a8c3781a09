"""Attachment, Placement, Binding: where a mesh runs, and what its workloads are. App Mesh had no words for it.

They outlive what they name. A script that takes an App Mesh mesh down and up again knows nothing of them, and neither
does a whole-mesh PUT of a definition kept in a repository: the delete of a node must not fail because of a binding that
its author cannot see, nor lose it, for then the node that comes back would have no workload. So what they name must
exist when they are written (a typing error is found), and when it goes they stay, inert, until it comes back or they
are deleted.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from isthmus.errors import Violation
from isthmus.model.key import Key
from isthmus.model.kind import Reference, ResourceKind
from isthmus.model.structure import Items, Many, Maybe, Name, Structure, Union

ClusterName = Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
"""One DNS label (isthmus.values.dns_label)."""

_NATIVE = ConfigDict(alias_generator=None)
"""Ours is snake case on the wire, as in the rest of `/v1`."""


class AttachmentSpec(Structure):
    """A cluster takes part in the mesh; its name is the cluster's."""

    model_config = _NATIVE


class PlacementSpec(Structure):
    """The clusters where a virtual node may run; its name is the node's. Without a placement, all attached ones."""

    model_config = _NATIVE

    clusters: Annotated[Many[ClusterName], Items(1)]

    def violations(self) -> Iterator[Violation]:
        for i, cluster in enumerate(self.clusters):
            if cluster in self.clusters[:i]:
                yield Violation(f"/clusters/{i}", "duplicate", f"{cluster} is in the list already")


class K8sMatch(Structure):
    """Pods of a namespace under a service account; labels only narrow it, they prove nothing (design-notes 4)."""

    model_config = _NATIVE

    namespace: Name
    service_account: Name
    labels: Maybe[dict[str, str]] = None


class EcsMatch(Structure):
    """Tasks of an ECS service."""

    model_config = _NATIVE

    cluster: Name
    service: Name


class IamMatch(Structure):
    """Whoever proves to hold an IAM role."""

    model_config = _NATIVE

    role: Annotated[str, Field(min_length=1, max_length=2048)]


class BindingMatch(Union):
    """Which workloads; `file` is an instance's name in an agent's instances file."""

    model_config = _NATIVE

    file: Maybe[Name] = None
    k8s: Maybe[K8sMatch] = None
    ecs: Maybe[EcsMatch] = None
    iam: Maybe[IamMatch] = None


class BindingSpec(Structure):
    """What workload is a virtual node, or a virtual gateway's Envoy."""

    model_config = _NATIVE

    node: Maybe[Name] = None
    gateway: Maybe[Name] = None
    match: BindingMatch

    def violations(self) -> Iterator[Violation]:
        if (self.node is None) == (self.gateway is None):
            yield Violation("", "exactly_one_member", "must have exactly one of node or gateway")


def _placed(key: Key, spec: PlacementSpec) -> Iterator[Reference]:
    yield "/name", Key("VirtualNode", key.name)
    for i, cluster in enumerate(spec.clusters):
        yield f"/spec/clusters/{i}", Key("Attachment", cluster)


def _bound(_key: Key, spec: BindingSpec) -> Iterator[Reference]:
    if spec.node is not None:
        yield "/spec/node", Key("VirtualNode", spec.node)
    if spec.gateway is not None:
        yield "/spec/gateway", Key("VirtualGateway", spec.gateway)


def _one_meaning(bindings: Iterable[tuple[Key, BindingSpec]]) -> Iterator[tuple[Key, Violation]]:
    """A workload is one thing: two bindings of one match would leave its certificate to chance."""
    first: dict[Any, Key] = {}
    for key, spec in bindings:
        other = first.setdefault(spec.match.model_dump_json(exclude_unset=True), key)
        if other != key:
            yield key, Violation("/spec/match", "duplicate", f"binding {other.name} matches the same workload")


KINDS = (
    ResourceKind("Attachment", AttachmentSpec, "clusters", lasting=True),
    ResourceKind("Placement", PlacementSpec, "placements", references=_placed, lasting=True),
    ResourceKind("Binding", BindingSpec, "bindings", references=_bound, among=_one_meaning, lasting=True),
)
