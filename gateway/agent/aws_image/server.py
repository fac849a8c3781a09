"""server: the port itself: the customer's certificate, and patience with clients that ping every ten seconds."""

import logging
from collections.abc import Callable
from datetime import datetime

import grpc

from gateway.agent.aws_image.certificate import Certificate
from gateway.agent.aws_image.credentials import Credentials
from gateway.agent.aws_image.serving import Ads
from gateway.agent.aws_image.settings import Settings
from gateway.agent.aws_image.verifier import Verifier
from gateway.agent.cluster import Cluster
from gateway.agent.finishing import whole
from gateway.agent.host import OPTIONS
from gateway.edge import requests
from gateway.edge.lines import line
from isthmus.errors import Invalid

LOG = logging.getLogger("isthmus.agent.aws_image")


class Server:
    """Opened once discovery has looked, so that an Envoy that is listed has its instance's name from the start."""

    def __init__(self, settings: Settings, cluster: Cluster, verifier: Verifier, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._server = grpc.aio.server(options=OPTIONS)
        credentials = Credentials(verifier, settings.signed_hosts(), clock)
        requests.add(Ads(cluster, credentials, settings, clock), self._server)

    async def start(self) -> None:
        """Open the port; Invalid if it is taken or the certificate is none."""
        bind, shown = self._settings.bind, Certificate(self._settings.cert, self._settings.key)
        credentials = shown.credentials()
        try:
            self._server.add_secure_port(bind, credentials)
        except RuntimeError as taken:
            raise Invalid.one("", "cannot_listen", f"cannot listen on {bind}: is another process there?") from taken
        await whole(self._server.start())
        LOG.info(line("images_welcome", bind=bind))

    async def stop(self, grace: float) -> None:
        """Close it; Envoys go on with what they have."""
        await whole(self._server.stop(grace))
