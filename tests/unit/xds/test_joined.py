"""Joined bytes are those that protobuf itself would write."""

import pytest
from envoy.config.route.v3 import route_components_pb2, route_pb2

from isthmus.ir.mesh import Match, Route, Service, Target
from isthmus.xds import routes
from isthmus.xds.joined import field

DEFAULT = Route(("r", "x"), Match(), (Target("blue", 80, 1),), 15_000)


@pytest.mark.parametrize("length", [1, 127, 128, 16_383, 16_384, 3_000_000])
def test_a_field_is_written_as_protobuf_writes_it(length: int) -> None:
    assert field(1, b"x" * length) == route_components_pb2.VirtualHost(name="x" * length).SerializeToString()


@pytest.mark.parametrize("services", [0, 1, 200])
def test_a_joined_table_is_the_message_built_whole(services: int) -> None:
    listed = [Service(f"s{i}.local", (DEFAULT,)) for i in range(services)]
    joined = routes.outbound(
        host for s in listed for host in routes.hosts(s, routes.requested(s, own=False), own=False)
    )
    parsed = route_pb2.RouteConfiguration.FromString(joined.body)
    hosts = [*(f"service/s{i}.local" for i in range(services)), "otherwise"]
    assert [host.name for host in parsed.virtual_hosts] == hosts
    assert parsed.SerializeToString(deterministic=True) == joined.body


def test_a_joined_virtual_host_is_the_message_built_whole() -> None:
    asked = routes.Asked("s.local", "s.local", None)
    joined = routes.inside(routes.by_header(asked, Service("s.local", (DEFAULT, DEFAULT))))
    parsed = route_pb2.RouteConfiguration.FromString(joined.body)
    assert len(parsed.virtual_hosts[0].routes) == 3
    assert parsed.SerializeToString(deterministic=True) == joined.body
