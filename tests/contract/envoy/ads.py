"""ads: an ADS server small enough to read, which knows what each Envoy has acked.

Not the product's server (isthmus.xds.ads): a test of the compiler must not depend on it. It speaks delta, answers a
name it does not have with silence, and pushes what `give` changes.
"""

import itertools
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf.any_pb2 import Any as Packed

from gateway.edge import requests
from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Resource, Type

Discovered = tuple[str, str]
ORDER = (Type.CLUSTER, Type.ENDPOINTS, Type.SECRET, Type.EXTENSION, Type.LISTENER, Type.ROUTES)


class _Stream:
    """What one Envoy asked for on one stream, what it was sent, and what it has not acked yet of what it was given.

    Names are looked at when something about them changed, not all of them each time: a canary has thousands.
    """

    def __init__(self) -> None:
        self.inbox: queue.Queue[Any] = queue.Queue()
        self._given: Mapping[Discovered, Resource] = {}
        self._wanted: dict[Type, set[str]] = {}
        self._sent: dict[Discovered, Resource] = {}
        self._open: set[Discovered] = set()
        self._stale: dict[Type, set[str]] = {kind: set() for kind in ORDER}
        self._unanswered: dict[str, tuple[Sequence[Resource], Sequence[Discovered]]] = {}
        self._answered: set[Type] = set()
        self._lock = threading.Lock()

    def give(self, given: Mapping[Discovered, Resource]) -> None:
        """The whole of what it has from now on. Of secrets only those that Envoy wants are ever sent."""
        with self._lock:
            changed = {key for key in given.keys() | self._given.keys() if given.get(key) != self._given.get(key)}
            self._given = given
            for key in changed:
                self._reopen(key)

    def read(self, request: discovery_pb2.DeltaDiscoveryRequest) -> None:
        """An answer to what was sent, or names wanted and unwanted; the first of a type without names wants all."""
        kind = TYPE_OF_URL[request.type_url]
        with self._lock:
            fresh, gone = self._unanswered.pop(request.response_nonce, ((), ()))
            if not request.HasField("error_detail"):
                self._acknowledge(fresh, gone)
            asked = request.resource_names_subscribe or (["*"] if kind not in self._wanted else [])
            self._wanted.setdefault(kind, set()).update(asked)
            if "*" in asked:
                self._stale[kind].update(name for listed, name in self._given if listed == kind)
            self._wanted[kind].difference_update(request.resource_names_unsubscribe)
            for name in (*asked, *request.resource_names_unsubscribe):
                self._sent.pop((kind, name), None)
                self._reopen((kind, name))

    def due(self, nonces: Iterator[int]) -> Iterator[Any]:
        """Responses with everything that is wanted and not as it was sent.

        Who wants all of a type waits for an answer, be there nothing: Envoy would not go on for 15 s.
        """
        for kind in (k for k in ORDER if k in self._wanted):
            with self._lock:
                keys = [(kind, name) for name in sorted(self._stale[kind]) if self._sent_otherwise(kind, name)]
                self._stale[kind].clear()
                fresh = [self._given[key] for key in keys if key in self._given]
                gone = [key for key in keys if key not in self._given]
                if not keys and ("*" not in self._wanted[kind] or kind in self._answered):
                    continue
                self._answered.add(kind)
                nonce = str(next(nonces))
                self._unanswered[nonce] = fresh, gone
                for key in gone:
                    del self._sent[key]
                for resource in fresh:
                    self._send(resource)
            yield _response(kind, nonce, fresh, [name for _, name in gone])

    def settled(self) -> bool:
        """Whether it has answered all that it was sent, and acked all that it was given."""
        with self._lock:
            return not self._open and not self._unanswered and {Type.CLUSTER, Type.LISTENER} <= self._answered

    def missing(self) -> list[Discovered]:
        """What it was given, or no longer is, and has not acked."""
        with self._lock:
            return sorted(self._open)

    def _sent_otherwise(self, kind: Type, name: str) -> bool:
        wanted = name in self._wanted[kind] or "*" in self._wanted[kind]
        given, sent = self._given.get((kind, name)), self._sent.get((kind, name))
        return given != sent and (wanted or given is None)

    def _send(self, resource: Resource) -> None:
        """A cluster that is sent again warms, and waits for its endpoints again."""
        self._sent[resource.type, resource.name] = resource
        if resource.type is Type.CLUSTER and (Type.ENDPOINTS, resource.name) in self._sent:
            del self._sent[Type.ENDPOINTS, resource.name]
            self._reopen((Type.ENDPOINTS, resource.name))

    def _reopen(self, key: Discovered) -> None:
        """Something about a name has changed; it is done again when what was sent of it is acked."""
        kind = Type(key[0])
        self._stale[kind].add(key[1])
        if kind is not Type.SECRET and (key in self._given or key in self._sent):
            self._open.add(key)
        else:
            self._open.discard(key)

    def _acknowledge(self, fresh: Iterable[Resource], gone: Iterable[Discovered]) -> None:
        for resource in fresh:
            key = resource.type, resource.name
            if self._given.get(key) == self._sent.get(key) == resource:
                self._open.discard(key)
        self._open.difference_update(key for key in gone if key not in self._given)


class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Gives each Envoy, by `node.id`, what was `give`n for it, and knows what it has acked."""

    def __init__(self) -> None:
        self._given: dict[str, dict[Discovered, Resource]] = {}
        self._streams: dict[str, _Stream] = {}
        self._nonces = itertools.count(1)
        self.refused: list[str] = []
        self._server = grpc.server(ThreadPoolExecutor(32))
        requests.add(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def give(self, proxy: str, resources: Iterable[Resource]) -> None:
        """The whole of what a proxy has from now on."""
        self._given[proxy] = {(r.type, r.name): r for r in resources}
        if proxy in self._streams:
            self._streams[proxy].give(self._given[proxy])
            self._streams[proxy].inbox.put(None)

    def acked(self, proxy: str) -> bool:
        """Whether a proxy has acked all that it was given, and has nothing else; secrets apart, as in `give`."""
        assert self.refused == [], self.refused
        return proxy in self._streams and self._streams[proxy].settled()

    def missing(self, proxy: str) -> list[Discovered]:
        """What a proxy was given, or no longer is, and has not acked; all of it while it is not there."""
        return self._streams[proxy].missing() if proxy in self._streams else sorted(self._given.get(proxy, {}))

    def stop(self) -> None:
        """Ends all streams."""
        for stream in list(self._streams.values()):
            stream.inbox.put(StopIteration)
        self._server.stop(grace=0).wait()

    def DeltaAggregatedResources(  # noqa: N802 - gRPC's name
        self, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[discovery_pb2.DeltaDiscoveryResponse]:
        """One stream of one Envoy; the newest of an Envoy counts."""
        stream = _Stream()
        threading.Thread(target=_drain, args=(requests, stream.inbox), daemon=True).start()
        proxy = ""
        while StopIteration not in (waiting := _waiting(stream.inbox)):
            for request in waiting:
                if request is not None:
                    if request.node.id:
                        proxy = request.node.id
                        self._streams[proxy] = stream
                        stream.give(self._given.get(proxy, {}))
                    if request.HasField("error_detail"):
                        self.refused.append(f"{proxy}: {request.error_detail.message}")
                    stream.read(request)
            yield from stream.due(self._nonces)
        if self._streams.get(proxy) is stream:
            del self._streams[proxy]


def _response(kind: Type, nonce: str, fresh: Iterable[Resource], gone: Iterable[str]) -> Any:  # noqa: ANN401 - protobuf
    response = discovery_pb2.DeltaDiscoveryResponse(type_url=TYPE_URL[kind], nonce=nonce, removed_resources=gone)
    for resource in fresh:
        packed = Packed(type_url=TYPE_URL[kind], value=resource.body)
        response.resources.add(name=resource.name, version=resource.ref.version, resource=packed)
    return response


def _waiting(inbox: "queue.Queue[Any]") -> list[Any]:
    """The next request, and those that are there already: an Envoy asks for each name by itself."""
    listed = [inbox.get()]
    while not inbox.empty():
        listed.append(inbox.get())
    return listed


def _drain(requests: Iterator[Any], inbox: "queue.Queue[Any]") -> None:
    try:
        for request in requests:
            inbox.put(request)
    except grpc.RpcError:
        pass
    inbox.put(StopIteration)
