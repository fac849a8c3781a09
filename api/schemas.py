"""schemas: the JSON schemas of everything that /v1 takes and gives, by name, for OpenAPI.

Specs come from the model's own classes, and documents from the registry of kinds, so a new kind is here by itself.
Answers are open (a later version may say more); what is sent is closed, because unknown fields are refused.
"""

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import models_json_schema

from api.certificate_schemas import CERTIFICATES
from api.problems import ONLY_HTTP
from isthmus.model.certificates import SHAPES
from isthmus.model.definition import Settings
from isthmus.model.kinds import KINDS

Schema = dict[str, Any]

REF = "#/components/schemas/"

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
_TEXT_OR_NOT: Schema = {"type": ["string", "null"]}
TIME_OR_NOT: Schema = {"type": ["string", "null"], "format": "date-time"}
ANYTHING: Schema = {"type": "object"}
TAGS: Schema = {"type": "object", "additionalProperties": TEXT, "maxProperties": 50}
RESULT: Schema = {"type": "string", "enum": ["created", "changed", "unchanged", "deleted"]}


def _ref(name: str) -> Schema:
    return {"$ref": REF + name}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _all(**members: Schema) -> Schema:
    """An object of which every member is there."""
    return {"type": "object", "properties": members, "required": list(members)}


def _page(of: str) -> Schema:
    return _all(items=_list(_ref(of)), next_page_token={"type": ["string", "null"]})


def components() -> dict[str, Any]:
    """Every schema by name."""
    models = [(shape, "validation") for shape in (*(kind.spec for kind in KINDS.values()), Settings, *SHAPES)]
    named, made = models_json_schema(models, ref_template=REF + "{model}")  # type: ignore[arg-type]
    out: dict[str, Any] = dict(made["$defs"])
    for kind in KINDS.values():
        if kind.name == "Mesh":
            continue
        out[f"{kind.name}Document"] = _document(kind.name, kind.parent, named[kind.spec, "validation"])
        out[f"{kind.name}List"] = _page(f"{kind.name}Document")
        if kind.lasting:
            spec = named[kind.spec, "validation"]
            out[f"{kind.name}Body"] = {
                "anyOf": [spec, _ref(f"{kind.name}Document")],
                "description": "The spec alone will do.",
            }
    mesh = named[KINDS["Mesh"].spec, "validation"]
    return (
        out
        | _MESHES
        | {"Mesh": _mesh(mesh, named[Settings, "validation"])}
        | _CLUSTERS
        | _ACCOUNTS
        | _REVISIONS
        | _PLAINTEXT
        | CERTIFICATES
        | _PROBLEM
    )


def _document(kind: str, parent: str | None, spec: Schema) -> Schema:
    """A document, the same to read and to write: `meta` is ours."""
    above = {"parent": TEXT | {"description": f"The name of its {parent}."}} if parent else {}
    named = {"kind": {"const": kind}, "name": TEXT} | above
    said = {"spec": spec, "tags": TAGS, "meta": _ref("VirtualServiceMeta" if kind == "VirtualService" else "Meta")}
    return {"type": "object", "properties": named | said, "required": ["spec"], "additionalProperties": False}


def _mesh(spec: Schema, settings: Schema) -> Schema:
    documents = _list({"oneOf": [_ref(f"{name}Document") for name in _kinds()]})
    said = {"spec": spec, "settings": settings, "tags": TAGS, "resources": documents, "meta": _MESH_META}
    named = {"kind": {"const": "Mesh"}, "name": TEXT}
    return {"type": "object", "properties": named | said, "required": ["spec"], "additionalProperties": False}


_MESH_META: Schema = {"allOf": [_ref("MeshMeta"), {"type": "object", "properties": {"status": _ref("MeshStatus")}}]}
"""Lists of meshes leave the status out."""


def _kinds() -> Iterable[str]:
    return (name for name in KINDS if name != "Mesh")


_CHANGE: Schema = {
    "type": "object",
    "properties": {
        "op": {"enum": ["put", "delete"]},
        "document": {"description": "A document; for a delete its kind, name and parent will do.", "type": "object"},
        "if_match": TEXT,
        "if_none_match": {"const": "*"},
    },
    "required": ["op", "document"],
    "additionalProperties": False,
}
_CHANGED: Schema = {
    "type": "object",
    "properties": {"op": TEXT, "kind": TEXT, "name": TEXT, "parent": TEXT, "result": RESULT, "revision": COUNT},
    "required": ["op", "kind", "name", "result", "revision"],
}
_RESOLVED: Schema = _all(
    cluster=TEXT,
    source={"enum": ["dns", "cloud-map"]},
    asked=TEXT | {"description": "The host name, or NAMESPACE/SERVICE."},
    addresses=_list(TEXT),
    stale=FLAG | {"description": "No newer answer came, so the last one is kept."},
    error=TEXT,
)
_DOCUMENT_STATUS: Schema = {
    "type": "object",
    "properties": {
        "state": TEXT | {"description": "accepted, then the status of the revision that it is rolled out with."},
        "ineffective": {
            "description": "What of it has no effect, where and why; null while it is not compiled.",
            "type": ["array", "null"],
            "items": ANYTHING,
        },
        "unbound": _all(clusters=_list(_RESOLVED))
        | {
            "description": "How a virtual node is found that no cluster has bound instances of; left out of all others."
        },
    },
    "required": ["state", "ineffective"],
}
_MESHES: dict[str, Schema] = {
    "Meta": _all(
        mesh=TEXT, ref=TEXT, revision=COUNT, version=COUNT, uid=TEXT, owner=TEXT, arn=TEXT, created_at=TIME,
        updated_at=TIME, status=_DOCUMENT_STATUS,
    ),
    "VirtualServiceMeta": {"allOf": [_ref("Meta"), _all(vip=_TEXT_OR_NOT, vip6=_TEXT_OR_NOT)]},
    "MeshMeta": _all(
        ref=TEXT, account=TEXT, region=TEXT, uid=TEXT, arn=TEXT, revision=COUNT, head=COUNT, target=COUNT, live=COUNT,
        created_at=TIME,
    ),
    "MeshStatus": _DOCUMENT_STATUS,
    "MeshList": _page("MeshName"),
    "MeshName": _all(kind={"const": "Mesh"}, name=TEXT, meta=_ref("MeshMeta")),
    "Changes": _list(_CHANGE) | {"minItems": 1},
    "Changed": _all(mesh=TEXT, ref=TEXT, revision=COUNT, items=_list(_CHANGED)),
    "Deleted": _all(revision=COUNT),
}  # fmt: skip
_AGENT = _all(
    replica=TEXT, version=TEXT, features=_list(TEXT), seen_at=TIME_OR_NOT, hub=TEXT, wardens=COUNT, proxies=COUNT,
    applied=_list({}), certificate_expires=TIME, evicted=FLAG,
)  # fmt: skip
_CLUSTERS: dict[str, Schema] = {
    "Cluster": _all(
        name=TEXT, id=TEXT, region=TEXT, network=TEXT, state=TEXT, lease_until=TIME_OR_NOT, trust_domain=TEXT,
        agents=_list(_AGENT), created_at=TIME,
    ),
    "ClusterList": _page("Cluster"),
    "NewCluster": {
        "type": "object",
        "properties": {"name": TEXT, "region": TEXT, "network": TEXT},
        "required": ["name", "region"],
        "additionalProperties": False,
    },
    "DeletedCluster": _all(deleted=TEXT),
    "Quota": _all(name=TEXT, limit=COUNT, default=COUNT),
    "QuotaList": _page("Quota"),
    "JoinToken": _all(token=TEXT, expires_at=TIME, hubs=_list(TEXT), hub_ca=TEXT, command=TEXT),
    "Nothing": {"type": "object", "additionalProperties": False},
}  # fmt: skip
_ACCOUNT_ID: Schema = {"type": "string", "pattern": "^[0-9]{12}$"}
_KEY_STATUS: Schema = {"type": "string", "enum": ["active", "inactive"]}
_ACCESS_KEY: dict[str, Schema] = {
    "access_key_id": TEXT,
    "account": _ACCOUNT_ID,
    "status": _KEY_STATUS,
    "created_at": TIME,
}
_ACCOUNTS: dict[str, Schema] = {
    "Account": _all(id=_ACCOUNT_ID, name=TEXT),
    "AccountList": _page("Account"),
    "NewAccount": {
        "type": "object",
        "properties": {
            "id": _ACCOUNT_ID | {"description": "Without it one is chosen at random."},
            "name": {"type": "string", "minLength": 1, "maxLength": 100},
        },
        "required": ["name"],
        "additionalProperties": False,
    },
    "AccessKey": _all(**_ACCESS_KEY),
    "AccessKeyList": _page("AccessKey"),
    "NewAccessKey": _all(**_ACCESS_KEY, secret_access_key=TEXT | {"description": "Shown here and never again."}),
    "AccessKeyRequest": {
        "type": "object",
        "properties": {"account": _ACCOUNT_ID | {"description": "Whom it acts for; by default the org's first."}},
        "additionalProperties": False,
    },
    "AccessKeyChange": {
        "type": "object",
        "properties": {"status": _KEY_STATUS},
        "required": ["status"],
        "additionalProperties": False,
    },
    "DeletedAccessKey": _all(deleted=TEXT),
}
_TIMES = _all(
    accepted=TIME, compiled=TIME_OR_NOT, preflighted=TIME_OR_NOT, offered=TIME_OR_NOT, sent=TIME_OR_NOT,
    acked=TIME_OR_NOT,
)  # fmt: skip
_STANDING = _all(
    cluster=TEXT, verdict=TEXT, phase=TEXT, version=TEXT, sequence=COUNT, connected=COUNT, acked=COUNT, views=ANYTHING,
    offered_at=TIME_OR_NOT, sent_at=TIME_OR_NOT, acked_at=TIME_OR_NOT,
)  # fmt: skip
_STATUS: Schema = {
    "description": "accepted, compiling, preflight, rolling_out, live, partly_live, rejected, halted, rolled_back or "
    "superseded; more may come",
    "type": "string",
}
_MADE_BY = _all(kind=TEXT, name=TEXT) | {
    "type": ["object", "null"],
    "description": "The document that made it; null if it is of a release that named things differently.",
}
_NACK = _all(
    cluster=TEXT, view=TEXT, proxy=TEXT, type=TEXT, name=TEXT, version=TEXT, message=TEXT, resource=_MADE_BY,
)  # fmt: skip
_VIEW = _all(view=TEXT, version=TEXT, serving=COUNT, calling=COUNT, resources=ANYTHING)
_RESOURCE = _all(
    type={"type": "string", "description": "cds, lds, rds, ecds; of the view `agent`: mesh, node, gateway, …"},
    name=TEXT, version=TEXT, half={"type": "string", "enum": ["serving", "calling"]}, origin=_MADE_BY,
    resource={"type": "object", "description": "As proto-JSON, in proto's own field names."},
)  # fmt: skip
_BRIEF: dict[str, Schema] = {
    "mesh": TEXT,
    "ref": TEXT,
    "number": COUNT,
    "author": TEXT,
    "reason": TEXT,
    "status": _STATUS,
    "changed": _list(_all(kind=TEXT, key=TEXT)),
    "failures": _list(ANYTHING),
    "quarantined": _list(_all(kind=TEXT, name=TEXT, reason=TEXT)),
    "ineffective": _list(ANYTHING),
    "times": _TIMES,
    "commit_to_last_ack_ms": {"type": ["number", "null"]},
}
_REVISIONS: dict[str, Schema] = {
    "RevisionSummary": _all(**_BRIEF),
    "RevisionList": _page("RevisionSummary"),
    "Revision": _all(
        **_BRIEF,
        clusters=_list(_STANDING),
        proxies=_all(connected=COUNT, acked=COUNT, nacked=COUNT, lost=COUNT, deferred=COUNT, unproven=COUNT),
        stragglers=_list(_all(cluster=TEXT, proxy=TEXT)),
        nacks=_list(_NACK),
    ),
    "Snapshot": _all(
        mesh=TEXT, ref=TEXT, revision=COUNT, cluster=TEXT, version=TEXT,
        inputs=ANYTHING | {"description": "The generation of each input when this content was first compiled."},
        created_at=TIME,
    ) | {"description": "With `views` or, where one was asked for, that view's members and `resources`."},
    "Rollout": _all(
        mesh=TEXT, ref=TEXT, revision=COUNT, state=TEXT, phase=TEXT, started_at=TIME, ended_at=TIME_OR_NOT,
        decisions=_list(ANYTHING), deliveries=_list(_STANDING),
    ),
}  # fmt: skip
_PLAINTEXT: dict[str, Schema] = {
    "PlaintextPair": _all(
        cluster=TEXT, caller=_all(kind=TEXT, name=TEXT), node=TEXT, port=COUNT, instances=_list(TEXT), reason=TEXT,
        remedy=TEXT,
    ),
    "PlaintextList": _all(
        items=_list(_ref("PlaintextPair")),
        next_page_token={"type": ["string", "null"]},
        silent_clusters=_list(TEXT) | {"description": "Clusters of the mesh that have not reported on it yet."},
    ),
}  # fmt: skip
_PROBLEM: dict[str, Schema] = {
    "Violation": _all(
        pointer={"type": "string", "description": "JSON pointer (RFC 6901) into the request."}, code=TEXT, detail=TEXT
    ),
    "Problem": {
        "description": "RFC 9457.",
        "type": "object",
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "instance": TEXT,
            "code": {"type": "string", "description": "Stable: see /docs/problems.", "examples": sorted(ONLY_HTTP)},
            "request_id": TEXT,
            "retryable": FLAG,
            "errors": _list(_ref("Violation")),
        },
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "retryable"],
    },
}
