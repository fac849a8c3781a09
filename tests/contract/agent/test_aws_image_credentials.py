"""Who is let in at the port of App Mesh's image, and with which of AWS's codes everybody else is sent away."""

from collections.abc import Callable

import grpc
import pytest

from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.agent.imaging import (
    FRONT,
    OTHERS_KEY,
    Customer,
    Keys,
    Metadata,
    image,
    serving,
    settings,
    signed,
    signed_late,
)
from tests.contract.agent.rig import Joined, until

C = grpc.StatusCode
ARN = "arn:aws:appmesh:us-east-1:111122223333:mesh/shop/virtualNode/front"
INBOUND = b"lds_ingress_0.0.0.0_15000"


def changed(name: str, old: str, new: str) -> Callable[[str], Metadata]:
    """A signature with something of it replaced."""
    return lambda url: [(n, v.replace(old, new) if n == name else v) for n, v in signed(url)]


@pytest.mark.parametrize(
    ("sign", "code", "says"),
    [
        (lambda _: [], C.UNAUTHENTICATED, "Missing Authentication Token"),
        (lambda url: signed(url, secret="another"), C.UNAUTHENTICATED, "does not match"),
        (lambda url: signed(url, key="AKIAUNKNOWNUNKNOWN00"), C.UNAUTHENTICATED, "invalid"),
        (lambda url: signed(url, service="s3"), C.UNAUTHENTICATED, "correct service"),
        (lambda url: signed(url.replace("127.0.0.1", "elsewhere")), C.UNAUTHENTICATED, "does not match"),
        (lambda url: signed(url.replace("Stream", "Delta")), C.UNAUTHENTICATED, "does not match"),
        (signed_late, C.UNAUTHENTICATED, "expired"),
        (changed("authorization", "Signature=", "Signature=0"), C.UNAUTHENTICATED, "must be one"),
        (lambda url: [*signed(url), ("x-amz-security-token", "t")], C.UNAUTHENTICATED, "session tokens"),
        (lambda url: signed(url, key=OTHERS_KEY), C.PERMISSION_DENIED, "not account 999999999999's"),
    ],
    ids=[
        "unsigned",
        "another secret",
        "an unknown key",
        "another service",
        "another host",
        "another method",
        "six minutes ago",
        "what cannot be a signature",
        "a session token",
        "another account",
    ],
)
async def test_credentials_that_prove_nothing(
    joined: Joined, customer: Customer, keys: Keys, sign: Callable[[str], Metadata], code: C, says: str
) -> None:
    where = settings(customer, keys)
    async with serving(joined, where), image(where, customer.pem, sign=sign) as envoy:
        ended, words = await envoy.ended()
        assert ended is code
        assert says in words
        assert not envoy.responses


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, {"TE": "trailers", "Content-Type": "application/grpc"}],
    ids=["as the image signs", "without the payload", "with what gRPC hides"],
)
@pytest.mark.parametrize("dialled", ["127.0.0.1", "localhost"])
async def test_ways_to_sign_the_same(
    joined: Joined, customer: Customer, keys: Keys, headers: dict[str, str], dialled: str
) -> None:
    where = settings(customer, keys, hosts=("xds.customer.test:443", "localhost", "127.0.0.1"))

    def sign(url: str) -> Metadata:
        """GRPC sends the constants itself."""
        made = signed(url.replace("127.0.0.1", dialled), headers=headers)
        return [(n, v) for n, v in made if n not in ("te", "content-type")]

    async with serving(joined, where), image(where, customer.pem, sign=sign) as envoy:
        await envoy.got(Type.LISTENER, INBOUND)


async def test_without_a_hub_nobody_is_let_in_and_nobody_is_told_that_he_is_wrong(
    joined: Joined, customer: Customer, keys: Keys
) -> None:
    where = settings(customer, keys)
    async with serving(joined, where):
        keys.away = True
        async with image(where, customer.pem) as envoy:
            assert (await envoy.ended())[0] is C.UNAVAILABLE


@pytest.mark.parametrize(
    "name", [FRONT, ARN, FRONT.replace("shop", "shop@111122223333"), "mesh/shop/virtualGateway/ingress"]
)
async def test_names_that_are_here(joined: Joined, customer: Customer, keys: Keys, name: str) -> None:
    where = settings(customer, keys)
    async with serving(joined, where), image(where, customer.pem, name) as envoy:
        await envoy.got(Type.LISTENER, b"outbound")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("front", "mesh/MESH/virtualNode/NODE"),
        ("mesh/shop/virtualRouter/router", "mesh/MESH/virtualNode/NODE"),
        ("mesh/other/virtualNode/front", "no mesh other"),
        ("mesh/shop/virtualNode/nobody", "nobody is not placed"),
        ("mesh/shop/virtualNode/green", "green is not placed"),
        ("mesh/shop/virtualGateway/front", "front is not placed"),
        (ARN.replace("us-east-1", "eu-west-1"), "in us-east-1"),
        (ARN.replace("111122223333", "999999999999"), "account 111122223333's"),
        (FRONT.replace("shop", "shop@999999999999"), "account 111122223333's"),
    ],
    ids=[
        "no resource",
        "another kind of resource",
        "no such mesh",
        "no such node",
        "a node that is placed elsewhere",
        "no such gateway",
        "another region",
        "another account's node",
        "another owner's mesh",
    ],
)
async def test_names_that_nothing_here_has(
    joined: Joined, customer: Customer, keys: Keys, name: str, says: str
) -> None:
    joined.offer(build.mesh(build.placement("green", "west")))
    where = settings(customer, keys)
    async with serving(joined, where), image(where, customer.pem, name) as envoy:
        code, words = await envoy.ended()
        assert code is C.INVALID_ARGUMENT
        assert says in words


async def test_a_strict_mesh_has_no_place_for_an_envoy_without_an_identity(
    joined: Joined, customer: Customer, keys: Keys
) -> None:
    joined.offer(build.mesh(settings={"transport": "strict"}))
    where = settings(customer, keys)
    async with serving(joined, where), image(where, customer.pem) as envoy:
        code, words = await envoy.ended()
        assert code is C.FAILED_PRECONDITION
        assert "strict" in words


async def test_a_mesh_that_becomes_strict_lets_go_of_it(joined: Joined, customer: Customer, keys: Keys) -> None:
    where = settings(customer, keys)
    async with serving(joined, where), image(where, customer.pem) as envoy:
        await envoy.got(Type.LISTENER, INBOUND)
        joined.offer(build.mesh(settings={"transport": "strict"}), revision=2)
        assert (await envoy.ended())[0] is C.FAILED_PRECONDITION


async def test_an_envoy_older_than_app_meshs_last_is_told_so(joined: Joined, customer: Customer, keys: Keys) -> None:
    where = settings(customer, keys)
    async with (
        serving(joined, where),
        image(where, customer.pem, minor=34) as last,
        image(where, customer.pem, minor=33) as older,
    ):
        await last.got(Type.LISTENER, INBOUND)
        code, words = await older.ended()
        assert code is C.INVALID_ARGUMENT
        assert "Envoy 1.33.0 (mesh/shop/virtualNode/front) is not served" in words


async def test_a_node_has_so_many_envoys_and_no_more(
    joined: Joined, customer: Customer, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    where = settings(customer, keys, most=1)
    async with serving(joined, where):
        async with image(where, customer.pem) as first:
            await first.got(Type.LISTENER, INBOUND)
            async with image(where, customer.pem) as second:
                assert (await second.ended())[0] is C.RESOURCE_EXHAUSTED
            async with image(where, customer.pem, "mesh/shop/virtualNode/blue") as other:
                await other.got(Type.LISTENER, INBOUND)
            caplog.set_level("INFO")
        await until(lambda: "image_down proxy=front" in caplog.text, "its place is free")
        async with image(where, customer.pem) as again:
            await again.got(Type.LISTENER, INBOUND)


async def test_the_certificate_is_read_again_when_its_files_change(
    joined: Joined, customer: Customer, keys: Keys
) -> None:
    where = settings(customer, keys)
    async with serving(joined, where):
        before = customer.pem
        async with image(where, before) as envoy:
            await envoy.got(Type.LISTENER, INBOUND)
            customer.key.write_bytes(b"half of")
            async with image(where, before) as meanwhile:
                await meanwhile.got(Type.LISTENER, INBOUND)
            customer.renew()
            async with image(where, customer.pem) as renewed:
                await renewed.got(Type.LISTENER, INBOUND)
