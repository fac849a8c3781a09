"""minors: which Envoy minor (`1.40`) a proxy is served: the one it was seen to run, else the newest that has a view.

A view is pre-flighted on its own minor only (design-notes 18), so no other Envoy is given it.
"""

from gateway.agent.offers import Mesh


def minor_of(mesh: Mesh, role: str, name: str, seen: str | None) -> str | None:
    """The minor to serve; None if that has no view."""
    prefix = f"{role}/{name}@"
    minors = [view.removeprefix(prefix) for view in mesh.versions if view.startswith(prefix)]
    if seen:
        return seen if seen in minors else None
    return max(minors, key=lambda minor: [int(part) for part in minor.split(".")], default=None)


def no_view(seen: str | None) -> str:
    """Why a proxy is not served, if it has run `seen`."""
    return f"no mesh here has a view for Envoy {seen}" if seen else "no mesh here has a view for it"
