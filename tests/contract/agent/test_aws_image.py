"""An Envoy of App Mesh's image: whose credentials are taken, what it gets, and how it is counted."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from envoy.config.listener.v3 import listener_pb2

from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.agent.imaging import (
    ACCOUNT,
    FRONT,
    KEY,
    OTHERS_KEY,
    SECRET,
    Customer,
    Keys,
    Metadata,
    image,
    settings,
    signed,
)
from tests.contract.agent.rig import Joined, instance, until

C = grpc.StatusCode


@pytest.fixture
def customer(tmp_path: Path) -> Customer:
    return Customer(tmp_path)


@pytest.fixture
def keys() -> Keys:
    return Keys()


async def test_an_envoy_under_app_meshs_name_gets_its_configuration_and_is_counted(
    joined: Joined, customer: Customer, keys: Keys
) -> None:
    where = settings(customer, keys)
    async with joined.agent.run(aws_image=where):
        async with image(where, customer.root.read_bytes()) as envoy:
            body = await envoy.got(Type.LISTENER, b"lds_ingress_0.0.0.0_15000")
            inbound = listener_pb2.Listener.FromString(body)
            assert inbound.address.socket_address.port_value == 15000
            await envoy.got(Type.CLUSTER, b"node/blue/8080")
            await until(lambda: (a := joined.acks("node/front@1.40")) and a.connected, "it is counted")
        print(envoy.responses)
