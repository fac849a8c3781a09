"""ready: what the demo's ready file says (issue 2, point 10): all that one needs to poke it."""

from collections.abc import Mapping
from typing import Any

from isthmus.demo import layout
from isthmus.demo.layout import Layout
from isthmus.embedded.installation import Installation, hub_name


def ready(
    up: Mapping[str, Any], installation: Installation, plan: Layout, pids: Mapping[str, int]
) -> Mapping[str, Any]:
    """`up` is the control plane's own ready file; `pids` are the processes by their names."""
    processes = {name: [pids[name]] for name in ("api", "worker", "beat", "relay", "postgres", "valkey")}
    hubs = {"hub": [pids[hub_name(region)] for region in installation.regions]}
    clusters = {cluster: _cluster(cluster, plan, pids) for cluster in layout.REGIONS}
    return {**up, "mesh": layout.MESH, "ingress": plan.ingress, "clusters": clusters, "processes": processes | hubs}


def _cluster(cluster: str, plan: Layout, pids: Mapping[str, int]) -> Mapping[str, Any]:
    proxies = [p for p in plan.proxies() if p.cluster == cluster]
    gateway = next(p for p in proxies if p.node is None)
    return {
        "region": layout.REGIONS[cluster],
        "agent": {"pid": pids[f"agent-{cluster}"]},
        "warden": {"pid": pids[f"warden-{cluster}"]},
        "gateway": {"address": plan.east_west(cluster), "pid": pids[gateway.process], "admin": gateway.admin},
        "proxies": [
            {"name": p.name, "node": p.node, "pid": pids[p.process], "admin": p.admin} for p in proxies if p.node
        ],
        "instances": [
            {"name": name, "node": node, "address": plan.app(name), "pid": pids[f"app-{name}"]}
            for name, node in layout.INSTANCES[cluster]
        ],
    }
