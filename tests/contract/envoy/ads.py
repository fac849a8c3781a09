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

from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Resource, Type

Discovered = tuple[str, str]
ORDER = (Type.CLUSTER, Type.ENDPOINTS, Type.SECRET, Type.EXTENSION, Type.LISTENER, Type.ROUTES)


class _Stream:
    """What one Envoy asked for on one stream, what it was sent, and what it has acked of that."""

    def __init__(self) -> None:
        self.inbox: queue.Queue[Any] = queue.Queue()
        self.wanted: dict[Type, set[str]] = {}
        self.sent: dict[Discovered, Resource] = {}
        self.acked: dict[Discovered, Resource] = {}
        self._unanswered: dict[str, tuple[Sequence[Resource], Sequence[Discovered]]] = {}
        self._answered: set[Type] = set()
        self._lock = threading.Lock()

    def read(self, request: discovery_pb2.DeltaDiscoveryRequest) -> None:
        """An answer to what was sent, or names wanted and unwanted; the first of a type without names wants all."""
        kind = TYPE_OF_URL[request.type_url]
        with self._lock:
            fresh, gone = self._unanswered.pop(request.response_nonce, ((), ()))
            if not request.HasField("error_detail"):
                self.acked |= {(r.type, r.name): r for r in fresh if self.sent.get((r.type, r.name)) == r}
                for key in gone:
                    self.acked.pop(key, None)
            asked = request.resource_names_subscribe or (["*"] if kind not in self.wanted else [])
            self.wanted.setdefault(kind, set()).update(asked)
            self.wanted[kind].difference_update(request.resource_names_unsubscribe)
            for name in (*asked, *request.resource_names_unsubscribe):
                self._forget((kind, name))

    def due(self, given: Mapping[Discovered, Resource], nonces: Iterator[int]) -> Iterator[Any]:
        """Responses with everything that is wanted and not as it was sent.

        Who wants all of a type waits for an answer, be there nothing: Envoy would not go on for 15 s.
        """
        for kind in (k for k in ORDER if k in self.wanted):
            with self._lock:
                names = {n for k, n in given if k == kind} if "*" in self.wanted[kind] else self.wanted[kind]
                listed = [given[kind, n] for n in sorted(names) if (kind, n) in given]
                fresh = [r for r in listed if self.sent.get((r.type, r.name)) != r]
                gone = [key for key in self.sent if key[0] == kind and key not in given]
                if not fresh and not gone and ("*" not in self.wanted[kind] or kind in self._answered):
                    continue
                self._answered.add(kind)
                nonce = str(next(nonces))
                self._unanswered[nonce] = fresh, gone
                for key in gone:
                    del self.sent[key]
                for resource in fresh:
                    self._send(resource)
            yield _response(kind, nonce, fresh, [name for _, name in gone])

    def has(self, given: Mapping[Discovered, Resource]) -> bool:
        """Whether these are acked, and nothing else. Of secrets only those that Envoy wants are ever sent."""
        with self._lock:
            if not {Type.CLUSTER, Type.LISTENER} <= self._answered or self._unanswered:
                return False
            acked = {key: r for key, r in self.acked.items() if key[0] is not Type.SECRET}
        return acked == {key: r for key, r in given.items() if key[0] is not Type.SECRET}

    def _send(self, resource: Resource) -> None:
        """A cluster that is sent again warms, and waits for its endpoints again."""
        self._forget((resource.type, resource.name))
        self.sent[resource.type, resource.name] = resource
        if resource.type is Type.CLUSTER:
            self._forget((Type.ENDPOINTS, resource.name))

    def _forget(self, key: Discovered) -> None:
        self.sent.pop(key, None)
        self.acked.pop(key, None)


class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Gives each Envoy, by `node.id`, what was `give`n for it, and knows what it has acked."""

    def __init__(self) -> None:
        self._given: dict[str, dict[Discovered, Resource]] = {}
        self._streams: dict[str, _Stream] = {}
        self._nonces = itertools.count(1)
        self.refused: list[str] = []
        self._server = grpc.server(ThreadPoolExecutor(32))
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def give(self, proxy: str, resources: Iterable[Resource]) -> None:
        """The whole of what a proxy has from now on."""
        self._given[proxy] = {(r.type, r.name): r for r in resources}
        if proxy in self._streams:
            self._streams[proxy].inbox.put(None)

    def acked(self, proxy: str) -> bool:
        """Whether a proxy has acked all that it was given, and has nothing else; secrets apart (`has`)."""
        assert self.refused == [], self.refused
        stream = self._streams.get(proxy)
        return stream is not None and stream.has(self._given.get(proxy, {}))

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
        while (request := stream.inbox.get()) is not StopIteration:
            if request is not None:
                if request.node.id:
                    proxy = request.node.id
                    self._streams[proxy] = stream
                if request.HasField("error_detail"):
                    self.refused.append(f"{proxy}: {request.error_detail.message}")
                stream.read(request)
            yield from stream.due(self._given.get(proxy, {}), self._nonces)
        if self._streams.get(proxy) is stream:
            del self._streams[proxy]


def _response(kind: Type, nonce: str, fresh: Iterable[Resource], gone: Iterable[str]) -> Any:  # noqa: ANN401 - protobuf
    response = discovery_pb2.DeltaDiscoveryResponse(type_url=TYPE_URL[kind], nonce=nonce, removed_resources=gone)
    for resource in fresh:
        packed = Packed(type_url=TYPE_URL[kind], value=resource.body)
        response.resources.add(name=resource.name, version=resource.ref.version, resource=packed)
    return response


def _drain(requests: Iterator[Any], inbox: "queue.Queue[Any]") -> None:
    try:
        for request in requests:
            inbox.put(request)
    except grpc.RpcError:
        pass
    inbox.put(StopIteration)
