"""proof: that an installation works: one request has gone through every process, just now.

A process that runs may yet be of no use, and a beat of ten seconds ago may be that of its predecessor. So the API is
asked whether everything has shown itself lately, a promise of our own goes through relay, Valkey and worker to its end,
and each hub completes a TLS handshake on both of its ports.
"""

import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from uuid import UUID

from sqlalchemy import func, select

from isthmus.embedded.installation import Installation
from isthmus.store import tables
from isthmus.store.database import Database
from isthmus.store.promises import Promises

_ROUND_SECONDS = 0.02
_ANSWER_SECONDS = 5.0


def prove(installation: Installation, database: Database, org: UUID, give_up: Callable[[], None]) -> None:
    """Return when every part has done its work; `give_up` is called in between and may raise."""
    waiting = dict(_parts(installation, database, org))
    while waiting:
        give_up()
        waiting = {name: works for name, works in waiting.items() if not works()}
        time.sleep(_ROUND_SECONDS)


def _parts(installation: Installation, database: Database, org: UUID) -> Iterator[tuple[str, Callable[[], bool]]]:
    yield "worker", _promise(database, org)
    for region in installation.regions:
        yield f"hub {region}", _handshake(installation.link(region))
        yield f"enrolment {region}", _handshake(installation.enrolment(region))
    yield "api", _answers(f"{installation.api}/readyz")


def _promise(database: Database, org: UUID) -> Callable[[], bool]:
    """A promise to do nothing; whether it has been kept."""
    with database.tenant(org) as session:
        Promises(session, org).make("ping", {})
        made = session.scalars(select(func.max(tables.Promise.id)).where(tables.Promise.org_id == org)).one()

    def kept() -> bool:
        with database.tenant(org) as session:
            return session.get_one(tables.Promise, (org, made)).processed_at is not None

    return kept


def _handshake(address: str) -> Callable[[], bool]:
    """Whether TLS is spoken there. A client certificate is asked for later in TLS 1.3, so none is needed for this."""
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])

    def speaks() -> bool:
        try:
            plain = socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS)
            with plain, context.wrap_socket(plain) as secure:
                return secure.selected_alpn_protocol() == "h2"
        except OSError:
            return False

    return speaks


def _answers(url: str) -> Callable[[], bool]:
    """Whether a GET is answered with 200."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as response:  # noqa: S310 - our own, http
                return bool(response.status == 200)  # noqa: PLR2004 - HTTP's
        except OSError:
            return False

    return answers
