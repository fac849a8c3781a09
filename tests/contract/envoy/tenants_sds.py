"""tenants_sds: a tenant's own SDS on a Unix socket, which serves what it is given and says so when it changes."""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.secret.v3 import sds_pb2_grpc

from isthmus.xds.snapshot import TYPE_URL, Type
from isthmus.xds.sources import packed


class TenantsSds(sds_pb2_grpc.SecretDiscoveryServiceServicer):  # type: ignore[misc]
    """State of the world; each stream is of one secret, as Envoy asks."""

    def __init__(self, socket: Path) -> None:
        self._secrets: dict[str, secret_pb2.Secret] = {}
        self._inboxes: list[queue.Queue[Any]] = []
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(64))
        sds_pb2_grpc.add_SecretDiscoveryServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{socket}")
        self._server.start()

    def give(self, *secrets: secret_pb2.Secret) -> None:
        """What it serves from now on, beside what it serves already."""
        with self._lock:
            self._secrets.update({each.name: each for each in secrets})
            for inbox in self._inboxes:
                inbox.put("again")

    def stop(self) -> None:
        """Ends all streams."""
        self._server.stop(0).wait()

    def StreamSecrets(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """Answers what is asked for, and again when it changes."""
        inbox: queue.Queue[Any] = queue.Queue()
        with self._lock:
            self._inboxes.append(inbox)
        threading.Thread(target=_drain, args=(requests, inbox), daemon=True).start()
        asked: tuple[str, ...] = ()
        sent: list[secret_pb2.Secret] = []
        while context.is_active() and (heard := inbox.get()) is not None:
            asked = asked if heard == "again" else tuple(heard.resource_names)
            with self._lock:
                known = [self._secrets[name] for name in asked if name in self._secrets]
            if known and known != sent:
                sent = known
                yield discovery_pb2.DiscoveryResponse(
                    type_url=TYPE_URL[Type.SECRET],
                    resources=[packed(each) for each in known],
                    version_info=str(id(known)),
                    nonce=str(id(known)),
                )


def _drain(requests: Iterator[Any], inbox: "queue.Queue[Any]") -> None:
    try:
        for request in requests:
            inbox.put(request)
    except grpc.RpcError:
        pass
    inbox.put(None)
