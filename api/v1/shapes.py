"""shapes: documents as they travel over /v1 (contracts.md): `{kind, name, parent?, spec, tags, meta}`.

`meta` is ours and ignored on write, so what was read can be sent back as it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from api.v1.statuses import Statuses
from isthmus.errors import Invalid, PlaintextInUse, Violation
from isthmus.model.arn import arn
from isthmus.model.document import META, Document, Key, parse_document
from isthmus.model.kinds import KINDS
from isthmus.model.reading import Findings, pointer_of, refuse_unstorable
from isthmus.model.vips import beside
from isthmus.store import tables
from isthmus.store.changes import Stored
from isthmus.store.meshes import full_ref


def document_body(key: Key, raw: Any) -> Document:  # noqa: ANN401 - JSON
    """The document that a PUT to `key`'s URL carries; kind, name and parent may be left out, but not differ."""
    if not isinstance(raw, dict):
        raise Invalid.one("", "wrong_type", "the body must be a JSON object")
    named = {"kind": key.kind, "name": key.name} | ({"parent": key.parent} if key.parent else {})
    wrong = [
        Violation(f"/{field}", "not_this_url", f"the URL says {value!r}")
        for field, value in named.items()
        if field in raw and raw[field] != value
    ]
    if wrong:
        raise Invalid(wrong)
    return parse_document({k: v for k, v in raw.items() if k != META} | named)


def is_bare(key: Key, raw: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether a body is the spec itself, as contracts.md has it for what App Mesh has no word for."""
    return KINDS[key.kind].lasting and isinstance(raw, dict) and "spec" not in raw


def bare_body(key: Key, raw: dict[str, Any]) -> Document:
    """The document that such a body stands for; kind and name may be said, but not differ."""
    beside = {member: raw[member] for member in ("kind", "name", "tags", META) if member in raw}
    return document_body(key, beside | {"spec": {m: value for m, value in raw.items() if m not in beside}})


@contextmanager
def spelled(*, bare: bool) -> Iterator[None]:
    """Violations as the body spells them: in a bare one there is no `/spec` to point into."""
    try:
        yield
    except Invalid as error:
        if not bare:
            raise
        raise Invalid(_bare(error.violations)) from None
    except PlaintextInUse as error:
        if not bare:
            raise
        raise PlaintextInUse(_bare(error.violations), error.silent) from None


def _bare(violations: Iterable[Violation]) -> Iterator[Violation]:
    return (replace(v, pointer=v.pointer.removeprefix("/spec")) for v in violations)


def key_body(raw: Any, *, pointer: str) -> Key:  # noqa: ANN401 - JSON
    """The key that `{kind, name, parent?}` says; a whole document will do, its spec is not looked at."""
    if not isinstance(raw, dict):
        raise Invalid.one(pointer, "wrong_type", "must be an object")
    named = {member: value for member, value in raw.items() if member in ("kind", "name", "parent")}
    kind = KINDS.get(named["kind"]) if isinstance(named.get("kind"), str) else None
    if kind is None or kind.name == "Mesh":
        raise Invalid.one(f"{pointer}/kind", "not_one_of", f"must be one of {', '.join(KINDS.keys() - {'Mesh'})}")
    wanted = ("kind", "name", "parent") if kind.parent else ("kind", "name")
    parse_fields(named, wanted, at=pointer)
    refuse_unstorable(named, pointer)
    return Key(kind.name, named["name"], named.get("parent"))


def document_of(mesh: tables.Mesh, stored: Stored, statuses: Statuses) -> dict[str, Any]:
    """A stored document as an answer."""
    meta = {
        "mesh": mesh.name,
        "ref": full_ref(mesh),
        "revision": stored.revision,
        "version": stored.version,
        "uid": str(stored.uid),
        "owner": stored.owner or mesh.account_id,
        "arn": arn(mesh.region, stored.owner or mesh.account_id, mesh.name, stored.document.key),
        "created_at": stored.created_at.isoformat(),
        "updated_at": stored.updated_at.isoformat(),
        "status": statuses.of(stored.document, stored.revision),
    }
    return stored.document.json() | {"meta": meta | _addresses(mesh, stored)}


def _addresses(mesh: tables.Mesh, stored: Stored) -> dict[str, str | None]:
    """A virtual service's; null where an older release has made it, until it is written again."""
    if stored.document.key.kind != "VirtualService":
        return {}
    return {"vip": stored.vip, "vip6": None if stored.vip is None else beside(mesh.id, stored.vip)}


def parse_fields(
    raw: Any,  # noqa: ANN401 - JSON
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    at: str = "",
) -> dict[str, str]:
    """A flat object of strings: every missing, unknown or mistyped field reported at once."""
    if not isinstance(raw, dict):
        raise Invalid.one(at, "wrong_type", "must be a JSON object")
    found = Findings()
    for field in required:
        if field not in raw:
            found.add(f"{at}/{field}", "missing", "this field is required")
    for field, value in raw.items():
        if field not in (*required, *optional):
            found.add(at + pointer_of((field,)), "unknown_field", "there is no such field")
        elif not isinstance(value, str):
            found.add(f"{at}/{field}", "wrong_type", "must be a string")
    found.refuse()
    return dict(raw)
