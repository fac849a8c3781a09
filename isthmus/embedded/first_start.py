"""first start: what an installation must have before its processes can run: keys, schema, an org to sign in to.

Every part may be there already, wholly or after a crash, and is then used: the token and keys that somebody was given
go on working. Secrets are written to disk before the database knows their hashes, so a crash between the two costs a
token that nobody has seen, never one that somebody uses.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from isthmus.adapters.local_signer import create_link_ca
from isthmus.adapters.sealer import Sealer
from isthmus.embedded.places import Places, write_private
from isthmus.store import orgs, tables
from isthmus.store.access_keys import AccessKeys
from isthmus.store.database import Database
from isthmus.store.tokens import Tokens, verify

ORG, ORG_NAME, ACCOUNT = "local", "Local", "100000000001"
"""The one org of an installation of one's own, and its App Mesh account."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is needed to use the installation. Kept in a file of mode 0600, because the database has hashes only."""

    org: str
    org_id: str
    token: str
    account_id: str
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"Credentials(org={self.org!r}, …)"

    def aws(self, region: str) -> Mapping[str, str]:
        """As AWS's clients are configured."""
        key = {"access_key_id": self.access_key_id, "secret_access_key": self.secret_access_key}
        return key | {"region": region, "account_id": self.account_id}


def make_keys(places: Places, base_domain: str, now: datetime) -> None:
    """The master key and the link CA, each once."""
    places.master_key.parent.mkdir(mode=0o700, exist_ok=True)
    sealer = Sealer.load(places.master_key) if places.master_key.exists() else Sealer.create(places.master_key)
    if not places.link_ca_cert.exists():
        create_link_ca(places.link_ca_cert, places.link_ca_key, sealer, now=now, base=base_domain)


def make_org(places: Places, database: Database) -> Credentials:
    """The org, its account, one token and one access key: those of the last start where the database knows them."""
    org = orgs.bootstrap(database, ORG, ORG_NAME, ACCOUNT)
    kept = _kept(places)
    if kept is not None and _known(database, org, kept):
        return kept
    with database.tenant(org) as session:
        token = Tokens(session, org).create("bootstrap")
        key = AccessKeys(session, org, Sealer.load(places.master_key)).create(ACCOUNT)
        made = Credentials(ORG, str(org), token.text, ACCOUNT, key.id, key.secret)
        write_private(places.credentials, asdict(made))
    return made


def _kept(places: Places) -> Credentials | None:
    if not places.credentials.exists():
        return None
    return Credentials(**json.loads(places.credentials.read_text()))


def _known(database: Database, org: UUID, kept: Credentials) -> bool:
    """Whether both still sign in: a crash may have come between the file and the commit, or somebody revoked them."""
    with database.system() as session:
        bearer = verify(session, kept.token)
    with database.tenant(org) as session:
        key = session.get(tables.AccessKey, (org, kept.access_key_id))
        return bearer is not None and bearer.org == org and key is not None and key.active
