"""matcher: what App Mesh's words promise of a request, read from the JSON itself: a second opinion on the compiler.

It shares nothing with `isthmus.ir` and `isthmus.xds`. Sources: appmesh.md §3.2 (matches, priorities, rewrites) and what
the docstrings of `isthmus/ir/services.py` and `matches.py` promise where App Mesh documents nothing (the order among
equal priorities, ports in names). Where the documents are silent on a value, Envoy's own rules hold, as they did in App
Mesh: a header that is not there meets no condition on its value, inverted or not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

Json = Any
Mesh = Mapping[str, Mapping[Any, Json]]
"""Kind → name, or (parent, name), → spec."""
PROTOCOLS = ("http", "http2", "grpc")


@dataclass(frozen=True)
class Request:
    """`path` with its query; header names in lower case, each once."""

    host: str
    path: str = "/"
    method: str = "GET"
    scheme: str = "http"
    headers: tuple[tuple[str, str], ...] = ()


class Expected(NamedTuple):
    """A status and, for 200, where the request may arrive and as what; `rank`: which route it was, None if none."""

    status: int
    places: frozenset[tuple[str, int]] = frozenset()
    host: str = ""
    path: str = ""
    rank: int | None = None


def plain(path: str) -> str:
    """A path as proxies compare and pass it on: one slash for many, no dot segments; the query as it is."""
    before, mark, query = path.partition("?")
    parts: list[str] = []
    for part in re.sub("/+", "/", before).split("/")[1:]:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/" + "/".join(parts) + mark + query


def text_matches(said: Json, text: str) -> bool:
    ((how, value),) = said.items()
    match how:
        case "exact":
            return bool(text == value)
        case "prefix":
            return text.startswith(value)
        case "suffix":
            return text.endswith(value)
        case "regex":
            return re.fullmatch(value, text) is not None
    return re.fullmatch(r"[+-]?\d+", text) is not None and value["start"] <= int(text) < value["end"]


def header_matches(said: Json, request: Request) -> bool:
    found = dict(request.headers).get(said["name"].lower())
    if said["name"] == ":authority":
        found = request.host
    inverted = bool(said.get("invert"))
    if "match" not in said:
        return (found is not None) != inverted
    return found is not None and text_matches(said["match"], found) != inverted


def query_matches(said: Json, query: str) -> bool:
    given: dict[str, str] = {}
    for part in query.split("&"):
        name, _, text = part.partition("=")
        given.setdefault(name, text)
    value = given.get(said["name"])
    return value is not None and bool(said.get("match", {}).get("exact", value) == value)


def host_matches(said: Json, host: str) -> bool:
    name = re.sub(r":\d+$", "", host.lower())
    return bool(name == said["exact"].lower() if "exact" in said else name.endswith(said.get("suffix", "").lower()))


def path_of(match: Json) -> tuple[str, str]:
    """How the path is compared, and with what; a gRPC call's is `/<service>/<method>`, and none said is any."""
    if "serviceName" in match:
        service, method = match["serviceName"], match.get("methodName")
        return ("exact", f"/{service}/{method}") if method else ("prefix", f"/{service}/")
    for how in ("exact", "regex"):
        if how in match.get("path", {}):
            return how, match["path"][how]
    return "prefix", match.get("prefix", "/")


def matches(kind: str, match: Json, request: Request) -> bool:
    path, _, query = request.path.partition("?")
    how, text = path_of(match)
    return (
        text_matches({how: text}, path)
        and (kind != "grpcRoute" or dict(request.headers).get("content-type", "").startswith("application/grpc"))
        and match.get("method", request.method) == request.method
        and match.get("scheme", request.scheme) == request.scheme
        and host_matches(match.get("hostname", {}), request.host)
        and all(header_matches(each, request) for each in (*match.get("headers", ()), *match.get("metadata", ())))
        and all(query_matches(each, query) for each in match.get("queryParameters", ()))
    )


def specific(match: Json) -> tuple[Any, ...]:
    """Narrower host, path (exact, regex, longer prefix) and more conditions first."""
    host = match.get("hostname", {})
    how, text = path_of(match)
    conditions = sum(len(match.get(member, ())) for member in ("headers", "metadata", "queryParameters"))
    conditions += ("method" in match) + ("scheme" in match)
    return (
        0 if "exact" in host else 1 if "suffix" in host else 2,
        -len(host.get("exact", host.get("suffix", ""))),
        ("exact", "regex", "prefix").index(how),
        -len(text),
        -conditions,
    )


def ordered(routes: Mapping[Any, Json], parent: str, port: int | None, last: bool) -> Sequence[tuple[str, Json]]:  # noqa: FBT001
    """(type, route) of a parent's routes on a port, by priority, 0 first; those without one `last` or first."""
    listed = []
    for (of, name), spec in routes.items():
        ((kind, route),) = [(member, value) for member, value in spec.items() if member != "priority"]
        if of == parent and kind != "tcpRoute" and port in (None, route["match"].get("port", port)):
            said = spec.get("priority", 1001 if last else -1)
            listed.append(((said, specific(route["match"]), name), kind, route))
    return [(kind, route) for _, kind, route in sorted(listed, key=lambda each: each[0])]


def at_service(mesh: Mesh, request: Request) -> Expected:
    """What becomes of a request that a node sends to a name."""
    request = replace(request, path=plain(request.path))
    name, _, said = request.host.lower().partition(":")
    service = next((each for each in mesh["VirtualService"] if each.lower() == name), None)
    return Expected(404) if service is None else in_service(mesh, service, int(said) if said else None, request)


def in_service(mesh: Mesh, service: str, said: int | None, request: Request) -> Expected:
    """The same once the service is known, asked for under a port or under none."""
    provider = mesh["VirtualService"][service].get("provider", {})
    if "virtualNode" in provider:
        node = provider["virtualNode"]["virtualNodeName"]
        port = entrance(ports(mesh["VirtualNode"][node]), said)
        return (
            Expected(404) if port is None else Expected(200, frozenset({(node, port)}), request.host, request.path, 0)
        )
    if not provider:
        return Expected(404)
    router = provider["virtualRouter"]["virtualRouterName"]
    port = entrance(ports(mesh["VirtualRouter"][router]), said)
    routes = ordered(mesh["Route"], router, port, last=True) if port is not None else ()
    for rank, (kind, route) in enumerate(routes):
        if matches(kind, route["match"], request):
            weighted = [target for target in route["action"]["weightedTargets"] if target["weight"]]
            places = frozenset((t["virtualNode"], aimed(mesh, t, port)) for t in weighted)
            return Expected(200 if places else 503, places, request.host, request.path, rank)
    return Expected(404)


def ports(spec: Json) -> list[int]:
    mapped = (listener["portMapping"] for listener in spec.get("listeners", ()))
    return [mapping["port"] for mapping in mapped if mapping["protocol"] in PROTOCOLS]


def entrance(listening: Sequence[int], said: int | None) -> int | None:
    """Where there is one port any will do; else the one said and, for the bare name, 80 or the first."""
    if len(listening) > 1 and said is not None:
        return said if said in listening else None
    return 80 if 80 in listening else next(iter(listening), None)


def aimed(mesh: Mesh, target: Json, port: int | None) -> int:
    """The port that the target says, the router's own where the node has it, or the node's first."""
    listening = ports(mesh["VirtualNode"][target["virtualNode"]])
    return int(target.get("port", port if port in listening else listening[0]))


def at_gateway(mesh: Mesh, gateway: str, port: int, request: Request) -> Expected:
    """What becomes of a request from outside: rewritten, then routed as the service says."""
    request = replace(request, path=plain(request.path))
    for rank, (kind, route) in enumerate(ordered(mesh["GatewayRoute"], gateway, port, last=False)):
        if matches(kind, route["match"], request):
            target, rewrite = route["action"]["target"], route["action"].get("rewrite", {})
            service, said = target["virtualService"]["virtualServiceName"], target.get("port")
            kept = rewrite.get("hostname", {}).get("defaultTargetHostname") == "DISABLED"
            host = request.host if kept else f"{service}:{said}" if said and several(mesh, service) else service
            sent = replace(request, host=host, path=rewritten(route["match"], rewrite, request.path))
            return in_service(mesh, service, said, sent)._replace(rank=rank)
    return Expected(404)


def several(mesh: Mesh, service: str) -> bool:
    """Whether the ports of what provides a service make a difference."""
    ((kind, names),) = mesh["VirtualService"][service].get("provider", {"": {"": ""}}).items()
    (name,) = names.values()
    return bool(kind) and len(ports(mesh[kind[0].upper() + kind[1:]][name])) > 1


def rewritten(match: Json, rewrite: Json, path: str) -> str:
    """A matched prefix becomes `/` unless told otherwise, with one slash before what follows; a whole path stays."""
    before, mark, query = path.partition("?")
    how, text = path_of(match)
    if how != "prefix" or "serviceName" in match:
        return f"{rewrite.get('path', {}).get('exact', before)}{mark}{query}"
    prefix = rewrite.get("prefix", {})
    if prefix.get("defaultPrefix") == "DISABLED":
        return path
    return f"{prefix.get('value', '/')}{before.removeprefix(text).removeprefix('/')}{mark}{query}"
