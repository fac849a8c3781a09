"""requests: what an Envoy says on a stream of xDS, also where its words are cut off in the middle of a letter.

Envoy cuts a refusal off after 4 KiB of bytes, wherever that is, and a text that is no UTF-8 is no protobuf: gRPC would
end the stream, Envoy would come back and say it again, and nobody would ever hear what it refuses.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc import status_pb2

from isthmus.xds.joined import field, numbers

Request = TypeVar("Request", discovery_pb2.DeltaDiscoveryRequest, discovery_pb2.DiscoveryRequest)

(_CODE, _MESSAGE) = numbers(status_pb2.Status, "code", "message")


def reader(kind: type[Request]) -> Callable[[bytes], Request]:
    """The deserializer of a kind of request. DecodeError for what is no such request at all."""
    (refused,) = numbers(kind, "error_detail")

    def read(body: bytes) -> Request:
        try:
            return kind.FromString(body)
        except DecodeError:
            return kind.FromString(_mended(body, refused))

    return read


def _mended(body: bytes, refused: int) -> bytes:
    """The same with a refusal that can be read; all fields of these requests are messages or texts."""
    parts = [(each.field_number, each.data) for each in _fields(body)]
    return b"".join(field(number, _legible(data) if number == refused else data) for number, data in parts)


def _fields(body: bytes) -> Iterable[Any]:
    """A message's fields as they are, whatever message it is."""
    fields: Iterable[Any] = UnknownFieldSet(Empty.FromString(body))  # type: ignore[assignment]  # stubs: not iterable
    return fields


def _legible(status: bytes) -> bytes:
    said = {each.field_number: each.data for each in _fields(status)}
    out = status_pb2.Status(code=said.get(_CODE, 0), message=said.get(_MESSAGE, b"").decode(errors="replace"))
    return bytes(out.SerializeToString())


def add(servicer: ads_pb2_grpc.AggregatedDiscoveryServiceServicer, server: grpc.aio.Server | grpc.Server) -> None:
    """Serve ADS in both dialects, as Envoy's generated code does but for how requests are read."""
    handlers = {
        "DeltaAggregatedResources": grpc.stream_stream_rpc_method_handler(
            servicer.DeltaAggregatedResources,
            request_deserializer=reader(discovery_pb2.DeltaDiscoveryRequest),
            response_serializer=discovery_pb2.DeltaDiscoveryResponse.SerializeToString,
        ),
        "StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(
            servicer.StreamAggregatedResources,
            request_deserializer=reader(discovery_pb2.DiscoveryRequest),
            response_serializer=discovery_pb2.DiscoveryResponse.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))


_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
