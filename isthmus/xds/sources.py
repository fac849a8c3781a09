"""sources: where Envoy gets what a resource refers to, and how one message travels inside another.

Every reference is to our own stream in version 3, and a message in an `Any` is packed the same way each time, because a
snapshot is named by its bytes.
"""

from envoy.config.core.v3 import config_source_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

ADS = config_source_pb2.ConfigSource(
    ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
)


def packed(message: Message) -> Any:
    """A message with its type URL."""
    body = message.SerializeToString(deterministic=True)
    return Any(type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name}", value=body)


LONGEST = (2**63 // 10**9 - 1) * 1000
"""Envoy counts nanoseconds in 64 bits and refuses what does not fit: 292 years stand for everything beyond."""


def lasting(milliseconds: int) -> Duration:
    """A duration."""
    milliseconds = min(milliseconds, LONGEST)
    return Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)
