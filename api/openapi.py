"""openapi: the contract as served: FastAPI's document, with the kinds' own schemas and our problem document added."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api.problems import MEDIA_TYPE
from isthmus.model.kinds import KINDS

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem document.",
    "required": ["type", "title", "status", "detail", "code", "request_id", "retryable"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "Stable; see the list of codes."},
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    specs = [(kind.spec, "validation") for kind in KINDS.values()]
    _, schemas = models_json_schema(specs, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    components = made.setdefault("components", {}).setdefault("schemas", {})
    components.update(schemas.get("$defs", {}))
    components["Problem"] = PROBLEM
    for operations in made["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
            operation["responses"]["default"] = {"description": "A problem", "content": {MEDIA_TYPE: problem}}
    app.openapi_schema = made
    return made
