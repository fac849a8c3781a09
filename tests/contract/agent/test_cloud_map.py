"""Nodes found in AWS Cloud Map: what its answers become, and that callers follow them; against moto over HTTP."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import boto3
import pytest

from gateway.agent.discovery import answers, cloudmap
from gateway.agent.discovery.answers import Answer
from gateway.agent.discovery.cloudmap import EVERY_SECONDS, CloudMapSource
from isthmus.errors import Unavailable
from isthmus.ir.found import CloudMap
from isthmus.xds.resolved import Address
from tests import build
from tests.contract.agent import aws
from tests.contract.agent.rig import MESH, Joined, free_port, instance, until
from tests.contract.agent.test_resolving import said, told

REGION = "eu-west-1"


@dataclass
class There:
    """Cloud Map, with a namespace `shop` in which there is a service `blue`."""

    url: str
    client: Any
    service: str

    def put(self, name: str, **attributes: str) -> None:
        self.client.register_instance(ServiceId=self.service, InstanceId=name, Attributes=attributes)

    def remove(self, name: str) -> None:
        self.client.deregister_instance(ServiceId=self.service, InstanceId=name)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with aws.serving() as url:
        yield url


@pytest.fixture
def there(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAABCDEFGHIJKLMNOP")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = boto3.client("servicediscovery", REGION, endpoint_url=server)
    client.create_http_namespace(Name="shop")
    (namespace,) = client.list_namespaces()["Namespaces"]
    made = There(server, client, client.create_service(Name="blue", NamespaceId=namespace["Id"])["Service"]["Id"])
    made.put("one", AWS_INSTANCE_IPV4="192.0.2.1", AWS_INSTANCE_PORT="9999", stage="live", shard="a")
    made.put("two", AWS_INSTANCE_IPV4="192.0.2.2", AWS_INSTANCE_IPV6="2001:db8::2", stage="live", shard="b")
    made.put("old", AWS_INSTANCE_IPV4="192.0.2.3", stage="old")
    made.put("six", AWS_INSTANCE_IPV6="2001:db8::4", stage="six")
    made.put("false", AWS_INSTANCE_IPV4="no address", AWS_INSTANCE_IPV6="192.0.2.8", stage="false")
    made.put("named", AWS_INSTANCE_CNAME="blue.example", stage="named")
    yield made
    for each in client.list_instances(ServiceId=made.service)["Instances"]:
        made.remove(each["Id"])
    client.delete_service(Id=made.service)
    client.delete_namespace(Id=namespace["Id"])


@pytest.fixture
def source(there: There) -> Iterator[CloudMapSource]:
    made = CloudMapSource(there.url, lambda: REGION)
    with contextlib.closing(made):
        yield made


def question(
    families: tuple[int, ...] = (4,), namespace: str = "shop", service: str = "blue", **attributes: str
) -> CloudMap:
    return CloudMap(namespace, service, tuple(sorted(attributes.items())), families)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (question(stage="live"), {"192.0.2.1", "192.0.2.2"}),
        (question(stage="live", shard="b"), {"192.0.2.2"}),
        (question((6, 4), stage="live"), {"192.0.2.1", "2001:db8::2"}),
        (question((6, 4), stage="false"), set()),
        (question((4, 6)), {"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::4"}),
        (question((6,)), {"2001:db8::2", "2001:db8::4"}),
    ],
    ids=[
        "one attribute",
        "all attributes must fit",
        "IPv6 preferred, each instance by itself",
        "what is no address, or of the other family",
        "IPv4 preferred; what has no address cannot be called",
        "IPv6 only",
    ],
)
async def test_instances(source: CloudMapSource, asked: CloudMap, expected: set[str]) -> None:
    answer = await source.ask(asked, ())
    assert {address.ip for address in answer.addresses} == expected
    assert answer.ttl == EVERY_SECONDS


async def test_what_cloud_map_says_is_not_well_is_not_well(source: CloudMapSource, there: There) -> None:
    """Moto keeps no health, so it is the client's answer that is changed."""
    there.put("ill", AWS_INSTANCE_IPV4="192.0.2.9", stage="ill")
    real = source._client.discover_instances  # noqa: SLF001 - what asks AWS

    def ill(**asked: Any) -> Any:  # noqa: ANN401 - boto3's
        answer = real(**asked)
        for each in answer["Instances"]:
            each["HealthStatus"] = "UNHEALTHY" if each["InstanceId"] == "ill" else "UNKNOWN"
        return answer

    with patch.object(source._client, "discover_instances", ill):  # noqa: SLF001
        answer = await source.ask(question(stage="ill"), ())
        assert answer.addresses == (Address("192.0.2.9", "unhealthy"),)
        assert (await source.ask(question(shard="a"), ())).addresses == (Address("192.0.2.1", "healthy"),)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (question(stage="nobody's"), "Cloud Map has no instance of shop/blue that fits"),
        (question(stage="named"), "Cloud Map has no instance of shop/blue that fits"),
        (question(service="green"), "Cloud Map has no shop/green"),
        (question(namespace="nowhere"), "Cloud Map has no nowhere/blue"),
    ],
    ids=["no instance fits", "none has an address", "no such service", "no such namespace"],
)
async def test_that_there_are_none_is_said(source: CloudMapSource, asked: CloudMap, why: str) -> None:
    assert await source.ask(asked, ()) == Answer((), EVERY_SECONDS, why)


async def test_whoever_does_not_answer_says_nothing() -> None:
    away = CloudMapSource(f"http://127.0.0.1:{free_port()}", lambda: REGION)
    with contextlib.closing(away), pytest.raises(Unavailable, match="shop/blue"):
        await away.ask(question(), ())


async def test_without_credentials_or_a_region_nothing_is_said(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for nobody in (CloudMapSource(there.url, lambda: REGION), CloudMapSource(there.url, str)):
        with contextlib.closing(nobody), pytest.raises(Unavailable):
            await nobody.ask(question(), ())


@pytest.fixture
def shop(joined: Joined, there: There, monkeypatch: pytest.MonkeyPatch) -> Joined:
    """A mesh whose `blue` is in Cloud Map, and an agent that looks often."""
    monkeypatch.setattr(cloudmap, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(answers, "SOONEST", 0.1)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    live = {"attributes": [{"key": "stage", "value": "live"}], "ipPreference": "IPv4_ONLY"}
    where = {"awsCloudMap": {"namespaceName": "shop", "serviceName": "blue"} | live}
    joined.agent.list(instance("front"))
    joined.offer(build.mesh(build.node("blue", serviceDiscovery=where)))
    joined.rig.feed.export(joined.place, MESH, [])
    return joined


async def test_callers_follow_cloud_map(shop: Joined, there: There) -> None:
    async with shop.agent.run(cloud_map=there.url):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await told(stream, "192.0.2.1", "192.0.2.2")
            there.put("three", AWS_INSTANCE_IPV4="192.0.2.5", stage="live")
            there.remove("one")
            await told(stream, "192.0.2.2", "192.0.2.5")
            found = await until(lambda: (r := said(shop)) and "192.0.2.5" in r.addresses and r, "it is told")
            assert (found.source, found.asked, found.stale) == ("cloud-map", "shop/blue", False)
