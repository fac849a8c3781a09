"""What follows from everything together, and what of it a hub has not been told."""

from dataclasses import replace

from gateway.agent.acks import Sighting
from gateway.agent.discovery import Found
from gateway.agent.outbox import Outbox
from gateway.agent.settling import Settled, settle
from gateway.proto import host_pb2 as host
from gateway.proto import link_pb2 as link
from tests import build
from tests.unit.agent.given import BLUE, FRONT, GATEWAY, MESH, mesh, world

NOW = 1000.0
WORLD = world(FRONT, BLUE, gateways=(GATEWAY,))
VIEWS = {"node/front@1.40", "node/blue@1.40", "node/green@1.40", "gateway/ingress@1.40"}


def settled(
    given: object = WORLD, sightings: dict[str, Sighting] | None = None, before: Settled | None = None
) -> Settled:
    return settle(given, sightings or {}, before or Settled(), {}, NOW)  # type: ignore[arg-type]


def acked(after: Settled, *names: str) -> dict[str, Sighting]:
    """These proxies, connected, with all that they are to have."""
    plans = after.composition.plans
    return {n: Sighting(1, connected=True, envoy="1.40.0", acked=plans[n].state.definition) for n in names}


def test_every_view_is_counted_even_if_nobody_has_it() -> None:
    counts = settled().counts
    assert {view for _, view in counts} > VIEWS
    assert {(c.connected, c.acked) for c in counts.values()} == {(0, 0)}


def test_a_slot_is_announced_once_the_gateway_acked_its_backend() -> None:
    first = settled()
    assert first.summaries == {}
    second = settled(WORLD, acked(first, "ew"), first)
    assert {n.node for n in second.summaries[MESH].nodes} == {"front", "blue"}


def test_what_a_proxy_acked_before_its_endpoint_moved_still_proves_the_view() -> None:
    first = settled()
    sightings = acked(first, "blue")
    moved = replace(WORLD, found=Found((FRONT, replace(BLUE, address="10.0.0.7")), (GATEWAY,)))
    second = settled(moved, sightings, first)
    assert second.composition.plans["blue"].state.definition != sightings["blue"].acked
    assert second.counts[MESH, "node/blue@1.40"].acked == 1
    third = settled(moved, acked(second, "blue"), second)
    assert sightings["blue"].acked not in third.ledger, "what nobody has any more is forgotten"


def test_hosts_are_told_of_their_own_proxies_only() -> None:
    apart = world(FRONT, replace(BLUE, host="h2"), gateways=(GATEWAY,))
    hosts = {host: [p.state.proxy for p in plans] for host, plans in settled(apart).hosts.items()}
    assert hosts == {"h1": ["ew", "front"], "h2": ["blue"]}


def test_a_new_stream_is_told_everything_and_after_that_only_news() -> None:
    first = settled()
    outbox = Outbox()
    acks = outbox.acks(first)
    assert acks is not None
    assert len(acks.views) == len(first.counts)
    assert outbox.acks(first) is None
    second = settled(WORLD, acked(first, "front"), first)
    news = outbox.acks(second)
    assert news is not None
    assert [v.view for v in news.views] == ["node/front@1.40"]
    assert Outbox().acks(second) is not None


def test_the_same_content_offered_again_is_counted_anew() -> None:
    outbox, first = Outbox(), settled()
    outbox.acks(first)
    again = settled(replace(WORLD, meshes={MESH: mesh(sequence=2)}), {}, first)
    news = outbox.acks(again)
    assert news is not None
    assert len(news.views) == len(first.counts)
    assert {v.generation for v in news.views} == {2}


def test_summaries_are_told_once() -> None:
    outbox, first = Outbox(), settled()
    second = settled(WORLD, acked(first, "ew"), first)
    assert [s.mesh for s in outbox.summaries(second)] == [MESH]
    assert not list(outbox.summaries(second))


def test_the_summary_of_a_former_life_is_where_generations_go_on() -> None:
    first = settled()
    said = {MESH: link.Summary(mesh=MESH, generation=41)}
    after = settle(WORLD, acked(first, "ew"), first, said, NOW)
    assert after.summaries[MESH].generation == 42


def test_a_proxy_whose_host_has_no_ipv6_is_not_told_again_what_needs_it() -> None:
    asking = build.mesh(
        build.node("blue", port=9090),
        build.router(port=9090),
        spec={"serviceDiscovery": {"ipPreference": "IPv6_PREFERRED"}},
    )
    given = world(replace(FRONT, vips=True), BLUE, meshes={MESH: mesh(asking)})

    def listeners(of: Settled) -> set[str]:
        return {r.name for r in of.composition.plans["front"].state.refs if r.type == "lds"}

    first = settled(given)
    needing = {f"outbound/vip6/{build.SERVICE}/9090"}
    assert needing < listeners(first)
    refusal = host.ProxyNack(type="lds", name="dns", version="1", message="dns: malformed IP address: fd00::1")
    saying = {"front": replace(acked(first, "front")["front"], nacks=(refusal,))}
    second = settled(given, saying, first)
    assert (second.without_six, listeners(first) - listeners(second)) == (frozenset({"front"}), needing)
    third = settled(given, acked(second, "front"), second)
    assert third.composition.plans["front"] is second.composition.plans["front"], "also when it refuses nothing more"
    gone = settled(world(BLUE, meshes=given.meshes), {}, third)
    assert gone.without_six == frozenset(), "who comes by that name later is asked again"
