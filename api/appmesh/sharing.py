"""sharing: what an account may do in a mesh that several accounts of an org use (appmesh.md §3.8), decided purely.

Whoever owns the mesh sees and may delete everything, and alone makes gateways. The others make, see and change nodes,
routers, routes and services; what one account made, only that account changes or tags.
"""

from isthmus.errors import Denied

_FOR_ALL = frozenset({"VirtualNode", "VirtualRouter", "Route", "VirtualService"})


def refuse_stranger(account: str, mesh_owner: str, kind: str, verb: str) -> None:
    """Denied for an account that may not do this to any thing of the kind in another's mesh."""
    if account != mesh_owner and kind not in _FOR_ALL and (kind, verb) != ("Mesh", "Describe"):
        raise Denied(f"only account {mesh_owner}, which owns the mesh, may {verb.lower()} a {kind} in it")


def refuse_not_own(account: str, mesh_owner: str, resource_owner: str, verb: str) -> None:
    """Denied for an account that may not do this to a thing because it is another's."""
    if account != resource_owner and not (verb == "Delete" and account == mesh_owner):
        raise Denied(f"only account {resource_owner}, which owns the resource, may {verb.lower()} it")
