"""running: an agent replica as a process: what is there on disk is served at once, everything else comes when it comes.

The order matters once: discovery has looked before wardens are let in, so that nobody is told that his proxies are gone
by an agent that has not looked yet.
"""

import asyncio
import json
import logging
import secrets
import signal
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from gateway.agent.aws_image.server import Server
from gateway.agent.aws_image.settings import Settings
from gateway.agent.aws_image.verifier import Verifier
from gateway.agent.ca import Authority
from gateway.agent.cluster import Cluster
from gateway.agent.discovery import Discovery
from gateway.agent.discovery.cloudmap import CloudMapSource
from gateway.agent.discovery.dns import DnsSource
from gateway.agent.discovery.file import FileDiscovery
from gateway.agent.host import HostServer, Ports, host_names
from gateway.agent.host_tokens import HostTokens
from gateway.agent.link import Link
from gateway.agent.membership import Membership
from gateway.agent.remembering import remember
from gateway.agent.resolver import Resolver, Sources
from gateway.agent.signatures import Signatures
from gateway.agent.state import State
from gateway.agent.world import Place
from gateway.edge import disk
from gateway.edge.lines import line
from isthmus.errors import Conflict, Invalid, IsthmusError, Unavailable
from isthmus.ir.found import CloudMap, Dns
from isthmus.pki.link_ca import fingerprint
from isthmus.values import Secret

LOG = logging.getLogger("isthmus.agent")
GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """What an agent is told. `hubs`, `hub_ca` and `token` are needed to join, once; `wardens`: what wardens dial.

    `aws_image`: the port for Envoys of App Mesh's image, None for none. `dns_server` (IP:PORT) and `cloud_map` (a URL)
    are asked for nodes that nobody has bound, instead of the system's servers and of AWS.
    """

    data_dir: Path
    hubs: tuple[str, ...] = ()
    hub_ca: str = ""
    token: Secret | None = None
    replica: str = ""
    instances: Path | None = None
    wardens_bind: str = "127.0.0.1:15810"
    wardens_enrol_bind: str = "127.0.0.1:15811"
    wardens: tuple[str, ...] = ()
    aws_image: Settings | None = None
    dns_server: str = ""
    cloud_map: str = ""


def now() -> datetime:
    """The clock of a running agent."""
    return datetime.now(UTC)


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT. IsthmusError if it cannot begin."""
    asyncio.run(_until_told(options))


async def _until_told(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(options, stop)


async def serve(options: Options, stop: asyncio.Event) -> None:
    """The same inside a running event loop, until `stop` is set."""
    with disk.locked(options.data_dir):
        agent = asyncio.create_task(_live(options))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({agent, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not agent.done():
            agent.cancel()
        try:
            await agent
        except asyncio.CancelledError:
            LOG.info(line("stopped"))
        except BaseExceptionGroup as several:
            raise _first(several) from None


def _first(raised: BaseException) -> BaseException:
    """What a person is to be told when several tasks failed together."""
    while isinstance(raised, BaseExceptionGroup):
        known = raised.subgroup(IsthmusError) or raised
        raised = known.exceptions[0]
    return raised


async def _live(options: Options) -> None:
    """Join if need be, and do everything until cancelled."""
    membership = Membership(options.data_dir / "link.json", now)
    await _joined(membership, options)
    who = membership.credential.agent
    state = State(options.data_dir)
    authority = Authority(options.data_dir / "intermediate.json", who.replica)
    domain = authority.held.domain.text if authority.held else ""
    world = state.world(Place(membership.credential.cluster, who.cluster, trust_domain=domain))
    world = replace(world, siblings=len(options.wardens) > 1)
    if options.aws_image:
        world = replace(world, capture=options.aws_image.capture)
    cluster = Cluster(world, state.summaries())
    looked = asyncio.Event()
    signatures = Signatures(now)
    LOG.info(line("agent", cluster=world.place.cluster, replica=who.replica, meshes=len(world.meshes)))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cluster.run())
        tasks.create_task(remember(cluster, state))
        tasks.create_task(membership.run())
        tasks.create_task(Link(membership, cluster, state, authority, now, signatures).run())
        tasks.create_task(_discover(cluster, state, options, looked))
        tasks.create_task(_resolve(cluster, state, options, looked))
        tasks.create_task(_welcome_wardens(cluster, authority, options, looked))
        if options.aws_image:
            verifier = options.aws_image.verifier or signatures
            tasks.create_task(_welcome_images(options.aws_image, cluster, verifier, looked))


async def _joined(membership: Membership, options: Options) -> None:
    if membership.held is None:
        if not (options.hubs and options.hub_ca and options.token):
            raise Invalid.one("", "not_enrolled", "a new agent needs --hub, --hub-ca and --join-token")
        replica = options.replica or f"agent-{secrets.token_hex(3)}"
        await membership.join(options.hubs, options.hub_ca, options.token, replica)
    held = membership.credential.agent.replica
    if options.replica and options.replica != held:
        raise Conflict(f"{options.data_dir} is replica {held}'s; {options.replica} needs a data directory of its own")
    membership.dial(options.hubs)


async def _discover(cluster: Cluster, state: State, options: Options, looked: asyncio.Event) -> None:
    """Whatever discovery finds, as it finds it."""
    if options.instances is None:
        looked.set()
        return
    discovery: Discovery = FileDiscovery(options.instances, state.instances)
    async for found in discovery.watch():
        cluster.found(found)
        facts = {"instances": len(found.instances), "gateways": len(found.gateways), "stale": found.stale}
        LOG.info(line("found", **facts))
        looked.set()


async def _resolve(cluster: Cluster, state: State, options: Options, looked: asyncio.Event) -> None:
    """What nodes' own service discovery says; asked once it is known which have instances, told from the beginning."""
    cloud_map = CloudMapSource(options.cloud_map, lambda: cluster.world.place.region)
    sources: Sources = {Dns: DnsSource(options.dns_server), CloudMap: cloud_map}
    resolver = Resolver(cluster, sources, state.resolved)
    await looked.wait()
    try:
        await resolver.run()
    finally:
        cloud_map.close()


async def _welcome_wardens(cluster: Cluster, authority: Authority, options: Options, looked: asyncio.Event) -> None:
    """Open the ports for wardens once there is an intermediate to show, and close them when cancelled."""
    await looked.wait()
    with cluster.listening() as changed:
        while authority.held is None:
            changed.clear()
            await changed.wait()
    agents = options.wardens or (options.wardens_bind,)
    names = host_names([*agents, options.wardens_bind, options.wardens_enrol_bind])
    ports = Ports(options.wardens_bind, options.wardens_enrol_bind, agents, names)
    server = HostServer(ports, cluster, authority, HostTokens(options.data_dir), now)
    told = {"agents": agents, "enrolment": _beside(agents[0], options.wardens_enrol_bind)}
    disk.write(options.data_dir / "wardens.json", json.dumps(told).encode())  # who finds the ports open reads this
    try:
        await server.start()
        await asyncio.Event().wait()
    finally:
        await server.stop(GRACE_SECONDS)


async def _welcome_images(settings: Settings, cluster: Cluster, verifier: Verifier, looked: asyncio.Event) -> None:
    """Open the port for Envoys of App Mesh's image, and close it when cancelled."""
    await looked.wait()
    server = Server(settings, cluster, verifier, now)
    try:
        await server.start()
        await asyncio.Event().wait()
    finally:
        await server.stop(GRACE_SECONDS)


def _beside(agent: str, enrol_bind: str) -> str:
    """Where wardens enrol: at the host that they dial, at the enrolment's port."""
    return f"{agent.rpartition(':')[0]}:{enrol_bind.rpartition(':')[2]}"


@dataclass(frozen=True, slots=True)
class HostToken:
    """What a warden needs to enrol."""

    token: Secret
    host: str
    expires: datetime
    agent: str
    agent_ca: str


def host_token(data_dir: Path, host: str) -> HostToken:
    """Make a token for a host's warden, beside a running agent. Unavailable until that has opened its ports."""
    told = disk.read(data_dir / "wardens.json")
    held = Authority(data_dir / "intermediate.json", "").held
    if told is None or held is None:
        raise Unavailable(f"the agent of {data_dir} does not let wardens in yet: it has no intermediate")
    token = Secret(f"host_{secrets.token_urlsafe(32)}")
    expires = HostTokens(data_dir).add(token, host, now())
    return HostToken(token, host, expires, json.loads(told)["enrolment"], fingerprint(held.root))
