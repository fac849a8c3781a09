"""VirtualService: the name that clients call, and the node or router behind it."""

from collections.abc import Iterator

from isthmus.model.key import Key
from isthmus.model.kind import Reference, ResourceKind
from isthmus.model.structure import Maybe, Name, Structure, Union


class VirtualNodeServiceProvider(Structure):
    """A node as provider."""

    virtual_node_name: Name


class VirtualRouterServiceProvider(Structure):
    """A router as provider."""

    virtual_router_name: Name


class VirtualServiceProvider(Union):
    """What answers for the service."""

    virtual_node: Maybe[VirtualNodeServiceProvider] = None
    virtual_router: Maybe[VirtualRouterServiceProvider] = None

    @property
    def key(self) -> Key:
        """The node or router."""
        if self.virtual_node is not None:
            return Key("VirtualNode", self.virtual_node.virtual_node_name)
        assert self.virtual_router is not None, "a union has exactly one member"
        return Key("VirtualRouter", self.virtual_router.virtual_router_name)


class VirtualServiceSpec(Structure):
    """App Mesh's VirtualServiceSpec; without a provider nothing answers (Envoy's 404)."""

    provider: Maybe[VirtualServiceProvider] = None


def _references(_key: Key, spec: VirtualServiceSpec) -> Iterator[Reference]:
    if spec.provider is not None:
        member = spec.provider.chosen[0]
        yield f"/spec/provider/{member}/{member}Name", spec.provider.key


KIND = ResourceKind("VirtualService", VirtualServiceSpec, "virtual-services", references=_references)
