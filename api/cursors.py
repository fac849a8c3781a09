"""cursors: where the next page of a list begins, signed, so that nobody can make one up or use another's.

Keyset, never OFFSET: a page begins after the last key of the one before. The signature binds org, list and the time it
was given; a cursor lives for 24 hours (product.md §2.1).
"""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from uuid import UUID

from isthmus.errors import Invalid

LIFE = timedelta(hours=24)
MOST = 200


class Cursors:
    """Makes and reads the tokens of one installation; `key` is any secret shared by its API processes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, org: UUID, listing: str, after: str, now: datetime) -> str:
        """The token for the page after `after`."""
        body = json.dumps([str(org), listing, after, int(now.timestamp())]).encode()
        return base64.urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")

    def read(self, org: UUID, listing: str, token: str | None, now: datetime) -> str | None:
        """The key after which the page begins; Invalid if the token is not ours, not for this list, or too old."""
        if token is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            mac, body = raw[:16], raw[16:]
            if hmac.compare_digest(mac, self._mac(body)):
                whose, which, after, made = json.loads(body)
                if whose == str(org) and which == listing and now.timestamp() - made <= LIFE.total_seconds():
                    return str(after)
        except ValueError:
            pass
        raise Invalid.one("/query/page_token", "bad_page_token", "not a page token of this list, or older than a day")

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, hashlib.sha256).digest()[:16]
