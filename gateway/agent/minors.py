"""minors: which Envoy minor (`1.40`) a proxy is served: the one it was seen to run, else the newest that has a view.

A view is pre-flighted on its own minor only (design-notes 18), so no other Envoy is given it; except App Mesh's image,
for which nothing but the newest is made to fit (`isthmus.xds.oldest`).
"""

from gateway.agent.offers import Mesh
from isthmus.xds.snapshot import view_id


def minor_of(mesh: Mesh, role: str, name: str, seen: str | None) -> str | None:
    """The minor to serve; None if that has no view."""
    if seen:
        return seen if view_id(role, name, seen) in mesh.versions else None
    return newest(mesh, role, name)


def newest(mesh: Mesh, role: str, name: str) -> str | None:
    """The newest minor that has a view; None if there is none."""
    prefix = view_id(role, name, "")
    minors = [view.removeprefix(prefix) for view in mesh.versions if view.startswith(prefix)]
    return max(minors, key=lambda minor: [int(part) for part in minor.split(".")], default=None)


def no_view(seen: str | None) -> str:
    """Why a proxy is not served, if it has run `seen`."""
    return f"no mesh here has a view for Envoy {seen}" if seen else "no mesh here has a view for it"
