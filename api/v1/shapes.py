"""shapes: documents as they travel over /v1 (contracts.md): `{kind, name, parent?, spec, tags, meta}`.

`meta` is ours and ignored on write, so what was read can be sent back as it is.
"""

from typing import Any

from api.v1.context import mesh_ref
from isthmus.errors import Invalid, Violation
from isthmus.model.document import Document, Key, parse_document
from isthmus.model.kinds import ResourceKind
from isthmus.store import tables
from isthmus.store.revisions import Stored


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
    return parse_document({k: v for k, v in raw.items() if k != "meta"} | named)


def document_of(mesh: tables.Mesh, stored: Stored) -> dict[str, Any]:
    """A stored document as an answer."""
    meta = {
        "mesh": mesh.name,
        "ref": mesh_ref(mesh),
        "revision": stored.revision,
        "version": stored.version,
        "uid": str(stored.uid),
        "arn": arn(mesh, stored.document.key),
        "created_at": stored.created_at.isoformat(),
        "updated_at": stored.updated_at.isoformat(),
    }
    return stored.document.json() | {"meta": meta}


_ARN_SEGMENT = {
    "VirtualNode": "virtualNode",
    "VirtualService": "virtualService",
    "VirtualRouter": "virtualRouter",
    "VirtualGateway": "virtualGateway",
    "Route": "route",
    "GatewayRoute": "gatewayRoute",
}


def arn(mesh: tables.Mesh, key: Key) -> str:
    """App Mesh's name of a resource (appmesh.md §2.2); our own kinds have the same form."""
    base = f"arn:aws:appmesh:{mesh.region}:{mesh.account_id}:mesh/{mesh.name}"
    if key.kind == "Mesh":
        return base
    under = {"Route": "virtualRouter", "GatewayRoute": "virtualGateway"}.get(key.kind)
    parent = f"/{under}/{key.parent}" if under else ""
    segment = _ARN_SEGMENT.get(key.kind, key.kind[0].lower() + key.kind[1:])
    return f"{base}{parent}/{segment}/{key.name}"


def schema_of(kind: ResourceKind) -> dict[str, Any]:
    """The JSON schema of a kind's document, for OpenAPI; the spec's own is among the components."""
    return {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "const": kind.name},
            "name": {"type": "string"},
            "spec": {"$ref": f"#/components/schemas/{kind.spec.__name__}"},
            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["spec"],
    }


def parse_fields(raw: Any, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, str]:  # noqa: ANN401
    """A flat object of strings: every missing, unknown or mistyped field reported at once."""
    if not isinstance(raw, dict):
        raise Invalid.one("", "wrong_type", "the body must be a JSON object")
    wrong = [Violation(f"/{f}", "missing", "this field is required") for f in required if f not in raw]
    for field, value in raw.items():
        if field not in (*required, *optional):
            wrong.append(Violation(f"/{field}", "unknown_field", "there is no such field"))
        elif not isinstance(value, str):
            wrong.append(Violation(f"/{field}", "wrong_type", "must be a string"))
    if wrong:
        raise Invalid(wrong)
    return dict(raw)
