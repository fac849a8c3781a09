"""What an Envoy refuses is heard, also where it cut its own words off within a letter."""

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import DecodeError, Message

from gateway.edge.requests import reader

KINDS = [discovery_pb2.DeltaDiscoveryRequest, discovery_pb2.DiscoveryRequest]


def refused(kind: type[Message], words: str) -> bytes:
    made = kind(type_url="a", response_nonce="7", node={"id": "blue"}, error_detail={"code": 13, "message": words})
    return made.SerializeToString()


@pytest.mark.parametrize("kind", KINDS)
def test_words_that_end_within_a_letter_are_read(kind: type[Message]) -> None:
    whole = refused(kind, "no such ü")
    cut = whole.replace("ü".encode(), b"\xc3!")
    with pytest.raises(DecodeError):
        kind.FromString(cut)
    read = reader(kind)
    said = read(cut)
    assert (said.error_detail.code, said.error_detail.message) == (13, "no such \N{REPLACEMENT CHARACTER}!")
    assert (said.type_url, said.response_nonce, said.node.id) == ("a", "7", "blue")
    assert read(whole) == kind.FromString(whole)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_request_is_none(kind: type[Message]) -> None:
    with pytest.raises(DecodeError):
        reader(kind)(b"\x0a\xff")
