"""pairs: routes and requests by chance, of so few words that the one often fits the other.

`Scene` is a mesh: one caller, services behind routers, gateways before them. A request is either aimed at the match of
a route, with each of its conditions kept most of the time, or at nothing in particular.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from tests.drawing.matcher import Request, ordered, path_of, ports

Json = Any
PATHS = ("/", "/a", "/a/", "/a/b", "/ab", "/b", "/b/a", "/a/b/c", "/abc", "/b/a/")
SPELLINGS = ("//a", "/b/../a", "/a/./b", "/a//b", "/a%2Fb", "/A")
PATTERNS = ("/a.*", "/[ab]+", ".*b", "/(a|b)/b?", "/", "/a/b(/c)?")
TEXTS = ("a", "b", "ab", "ba", "5", "10")
TEXT_PATTERNS = ("a.*", "[0-9]+", "", ".", "(a|b)+")
RANGES = ((1, 10), (-5, 0), (5, 6), (10, 11), (0, 5))
VALUES = (*TEXTS, "-3", "0", "6", "5x", "aab")
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
CALLS = ("p.S", "p.T")
CALLED = ("M", "N")
HEADERS = ("x-a", "x-b", "X-C")
QUERIES = ("q", "r")
HOSTS = ("one.example", "two.example", "a.two.example", "ONE.example")
PRIORITIES = (None, None, 0, 1, 2, 1000)
KEPT = 92
"""How often, in a hundred, a request keeps a condition of the route that it is aimed at."""
MEMBERS = {"http": "httpRoute", "http2": "http2Route", "grpc": "grpcRoute"}


class Sizes(NamedTuple):
    """How much of everything, and the ports (three for nodes: http, http2, grpc) that can be used."""

    ports: tuple[int, int, int]
    services: int = 24
    gateways: int = 5
    routes: int = 6


class Scene:
    """The mesh of a seed, and requests to it."""

    def __init__(self, seed: int, sizes: Sizes) -> None:
        self._random, self._sizes = Random(seed), sizes
        self.mesh: dict[str, dict[Any, Json]] = {kind: {} for kind in KINDS}
        self._make()

    def definition(self, marker: str) -> Json:
        """The mesh as it travels; `marker` is a service of its own that tells when this definition is in force."""
        documents = [{"kind": "Attachment", "name": "east", "spec": {}}]
        for kind, specs in self.mesh.items():
            for name, spec in specs.items():
                of = {"parent": name[0], "name": name[1]} if isinstance(name, tuple) else {"name": name}
                documents.append({"kind": kind, "spec": spec} | of)
        documents.append({"kind": "VirtualService", "name": marker, "spec": _provided("virtualNode", "one-0")})
        asked = [*self.mesh["VirtualService"], marker]
        backends = [{"virtualService": {"virtualServiceName": name}} for name in asked]
        documents.append({"kind": "VirtualNode", "name": "front", "spec": {"backends": backends}})
        return {"kind": "Mesh", "name": "shop", "spec": {}, "resources": documents}

    def at_service(self) -> Request:
        """A request of `front`."""
        service = self._one(tuple(self.mesh["VirtualService"]))
        router = (
            self.mesh["VirtualService"][service].get("provider", {}).get("virtualRouter", {}).get("virtualRouterName")
        )
        listening = ports(self.mesh["VirtualRouter"][router]) if router else []
        port = self._one((None, *listening, *listening, 9)) if self._chance(60) else None
        routes = ordered(self.mesh["Route"], router, port if len(listening) > 1 else None, last=True) if router else ()
        host = self._one((service, service, service.upper(), f"{service}.", "nobody.local"))
        host = service if self._chance(80) else host.removesuffix(".")
        return self._request(f"{host}:{port}" if port else host, routes, schemes=True)

    def at_gateway(self) -> tuple[str, int, Request]:
        """A request from outside, and where."""
        gateway = self._one(tuple(self.mesh["VirtualGateway"]))
        port = self._one(ports(self.mesh["VirtualGateway"][gateway]))
        routes = ordered(self.mesh["GatewayRoute"], gateway, port, last=False)
        host = self._one(HOSTS)
        return gateway, port, self._request(f"{host}:80" if self._chance(20) else host, routes, schemes=False)

    def _one(self, options: Sequence[Any]) -> Any:  # noqa: ANN401 - of anything
        return self._random.choice(options)

    def _chance(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    def _make(self) -> None:
        http, http2, grpc = self._sizes.ports
        speaks = {http: "http", http2: "http2", grpc: "grpc"}
        for i in range(4):
            port = self._one(self._sizes.ports)
            self.mesh["VirtualNode"][f"one-{i}"] = _listening({port: speaks[port]})
            self.mesh["VirtualNode"][f"all-{i}"] = _listening(speaks)
        for i in range(self._sizes.services):
            self._service(f"s{i}.Local" if i % 5 == 0 else f"s{i}.local", f"r{i}", speaks)
        for i in range(self._sizes.gateways):
            self._gateway(f"g{i}")

    def _service(self, service: str, router: str, speaks: Mapping[int, str]) -> None:
        provider = self._one(("router",) * 7 + ("node", "node", None))
        if provider == "node":
            node = self._one(tuple(self.mesh["VirtualNode"]))
            self.mesh["VirtualService"][service] = _provided("virtualNode", node)
            return
        if provider is None:
            self.mesh["VirtualService"][service] = {}
            return
        number = self._one((1, 1, 2, 3))
        chosen = self._random.sample([*speaks, 80, 81], number)
        listeners = {port: speaks.get(port, "http") for port in chosen}
        self.mesh["VirtualRouter"][router] = _listening(listeners)
        self.mesh["VirtualService"][service] = _provided("virtualRouter", router)
        for i in range(self._random.randrange(1, self._sizes.routes + 1)):
            port = self._one(chosen)
            name = f"{self._one('xyz')}{i}"
            match = self._match(listeners[port], hosts=False)
            self.mesh["Route"][router, name] = self._entered(
                listeners, port, match, {"action": {"weightedTargets": self._targets()}}
            )

    def _gateway(self, gateway: str) -> None:
        listeners = {port: self._one(("http", "http2", "grpc")) for port in (9080, 9081)[: self._one((1, 2))]}
        self.mesh["VirtualGateway"][gateway] = _listening(listeners)
        for i in range(self._random.randrange(1, self._sizes.routes + 3)):
            port = self._one(tuple(listeners))
            match = self._match(listeners[port], hosts=True)
            service = self._one(tuple(self.mesh["VirtualService"]))
            target: Json = {"virtualService": {"virtualServiceName": service}}
            (named,) = self.mesh["VirtualService"][service].get("provider", {"": {"": None}}).values()
            (provider,) = named.values()
            listening = ports((self.mesh["VirtualNode"] | self.mesh["VirtualRouter"]).get(provider, {}))
            if len(listening) > 1 or (listening and self._chance(30)):
                target["port"] = self._one(listening)
            action = {"target": target} | self._rewrite(match, grpc=listeners[port] == "grpc")
            name = f"{self._one('xyz')}{i}"
            self.mesh["GatewayRoute"][gateway, name] = self._entered(listeners, port, match, {"action": action})

    def _entered(self, listeners: Mapping[int, str], port: int, match: Json, route: Json) -> Json:
        if len(listeners) > 1 or self._chance(20):
            match["port"] = port
        priority = self._one(PRIORITIES)
        said = {} if priority is None else {"priority": priority}
        return {MEMBERS[listeners[port]]: route | {"match": match}} | said

    def _targets(self) -> list[Json]:
        targets = []
        for node in self._random.sample(tuple(self.mesh["VirtualNode"]), self._one((1, 1, 2, 3))):
            listening = ports(self.mesh["VirtualNode"][node])
            says = {"port": self._one(listening)} if len(listening) > 1 or self._chance(30) else {}
            targets.append({"virtualNode": node, "weight": self._one((0, 10, 20, 30))} | says)
        return targets

    def _match(self, protocol: str, *, hosts: bool) -> Json:
        match: Json = {}
        if hosts and self._chance(50):
            match["hostname"] = self._one(
                ({"exact": self._one(HOSTS)}, {"suffix": self._one((".example", "two.example"))})
            )
        if protocol == "grpc":
            if self._chance(70):
                match["serviceName"] = self._one(CALLS)
                match |= {"methodName": self._one(CALLED)} if not hosts and self._chance(50) else {}
            return match | ({"metadata": self._conditions()} if self._chance(50) else {})
        kind = self._one(("prefix", "prefix", "exact", "regex", None))
        if kind == "prefix":
            match["prefix"] = self._one(PATHS)
        elif kind is not None:
            match["path"] = {kind: self._one(PATHS if kind == "exact" else PATTERNS)}
        match |= {"method": self._one(METHODS)} if self._chance(25) else {}
        match |= {"scheme": self._one(("http", "https"))} if not hosts and self._chance(20) else {}
        match |= {"headers": self._conditions()} if self._chance(40) else {}
        if self._chance(25):
            exact = {"match": {"exact": self._one(TEXTS)}}
            match["queryParameters"] = [
                {"name": name} | (exact if self._chance(60) else {}) for name in self._some(QUERIES)
            ]
        return match

    def _some(self, options: Sequence[str]) -> list[str]:
        return self._random.sample(options, self._one((1, 1, 2)))

    def _conditions(self) -> list[Json]:
        return [self._condition(name) for name in self._some(HEADERS)]

    def _condition(self, name: str) -> Json:
        how = self._one(("exact", "prefix", "suffix", "regex", "range", None))
        said: Json = {"name": name} | ({"invert": self._chance(60)} if self._chance(50) else {})
        if how == "range":
            start, end = self._one(RANGES)
            return said | {"match": {"range": {"start": start, "end": end}}}
        if how == "regex":
            return said | {"match": {"regex": self._one([p for p in TEXT_PATTERNS if p])}}
        return said if how is None else said | {"match": {how: self._one(TEXTS)}}

    def _rewrite(self, match: Json, *, grpc: bool) -> Json:
        rewrite: Json = {}
        if self._chance(40):
            rewrite["hostname"] = {"defaultTargetHostname": self._one(("ENABLED", "DISABLED"))}
        if not grpc and "path" in match and self._chance(60):
            rewrite["path"] = {"exact": self._one(PATHS)}
        elif not grpc and "path" not in match and self._chance(60):
            value = {"value": self._one(("/", "/v/", "/a/b/"))}
            rewrite["prefix"] = self._one((value, {"defaultPrefix": "DISABLED"}, {"defaultPrefix": "ENABLED"}))
        return {"rewrite": rewrite} if rewrite else {}

    def _request(self, host: str, routes: Sequence[tuple[str, Json]], *, schemes: bool) -> Request:
        aimed = routes[:1] if self._chance(40) else routes
        kind, route = self._one(aimed) if routes and self._chance(92) else ("", {"match": {}})
        match = route["match"]
        headers = dict.fromkeys(self._some([h.lower() for h in HEADERS]), "") if self._chance(40) else {}
        headers = {name: self._one(VALUES) for name in headers}
        for condition in (*match.get("headers", ()), *match.get("metadata", ())):
            if self._chance(KEPT):
                headers[condition["name"].lower()] = self._fitting(condition.get("match", {}))
        if self._chance(90 if kind == "grpcRoute" else 10):
            headers["content-type"] = self._one(("application/grpc", "application/grpc+proto"))
        if "hostname" in match and self._chance(KEPT):
            host = match["hostname"].get("exact") or f"a{match['hostname']['suffix']}"
            host = host.swapcase() if self._chance(30) else host
        return Request(
            host,
            self._path(match) + self._query(match),
            match["method"] if "method" in match and self._chance(KEPT) else self._one(METHODS),
            self._one((match.get("scheme", "http"), "http", "https")) if schemes else "http",
            tuple(headers.items()),
        )

    def _fitting(self, said: Json) -> str:
        for how, value in said.items():
            match how:
                case "range":
                    return str(self._one((value["start"], value["end"], value["end"], value["end"] - 1)))
                case "regex":
                    return str(self._one(VALUES))
            return str(self._one((value, f"{value}b", f"b{value}")))
        return str(self._one(VALUES))

    def _path(self, match: Json) -> str:
        how, text = path_of(match)
        if not self._chance(KEPT):
            return str(self._one((*PATHS, *SPELLINGS, "/p.S/M")))
        if how == "regex":
            return str(self._one(PATHS))
        if how == "prefix":
            return text + str(self._one(("", "b", "/c", "M", "N")))
        return text + str(self._one(("", "", "", "", "b", "/c")))

    def _query(self, match: Json) -> str:
        said = {name: self._one((*TEXTS, "")) for name in self._some(QUERIES)} if self._chance(30) else {}
        for parameter in match.get("queryParameters", ()):
            if self._chance(KEPT):
                said[parameter["name"]] = parameter.get("match", {}).get("exact", "")
        return "?" + "&".join(f"{name}={value}" if value else name for name, value in said.items()) if said else ""


KINDS = ("VirtualNode", "VirtualRouter", "Route", "VirtualService", "VirtualGateway", "GatewayRoute")


def _listening(listeners: Mapping[int, str]) -> Json:
    return {"listeners": [{"portMapping": {"port": port, "protocol": said}} for port, said in listeners.items()]}


def _provided(kind: str, name: str) -> Json:
    return {"provider": {kind: {f"{kind}Name": name}}}
