"""serve: the hub as a process. SIGTERM or SIGINT ends it cleanly; a taken port or a bad key file ends it at once."""

import asyncio
import signal
from datetime import UTC, datetime

from gateway.hub.feed import Feed, Here
from gateway.hub.hub import Hub
from isthmus.adapters.local_signer import load_link_ca
from isthmus.adapters.sealer import Sealer
from isthmus.settings import Settings


def run(settings: Settings, feed: Feed) -> None:
    """Serve until told to stop. Invalid or Untrusted if the settings or the files they name are not usable."""
    asyncio.run(serve(settings, feed))


async def serve(settings: Settings, feed: Feed) -> None:
    """The same inside a running event loop, which must be the main thread's."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ca = load_link_ca(
        settings.link_ca_cert,
        settings.link_ca_key,
        Sealer.load(settings.master_key_file),
        now=datetime.now(UTC),
        base=settings.base_domain,
    )
    here = Here(settings.hub_name, settings.region, settings.hub_link_address, settings.hub_enrolment_address)
    async with Hub(feed, ca, here, base=settings.base_domain) as hub:
        await hub.start(settings.hub_link_bind, settings.hub_enrolment_bind)
        await stop.wait()
