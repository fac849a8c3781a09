"""openapi: the contract as served: FastAPI's document, with the kinds' own schemas and our problem document.

Answers are plain JSON objects to FastAPI, because the model makes them; what is in them is said here and in
`api.schemas`, and each route names its schemas with `says`.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE
from api.schemas import REF, components


def says(answer: str, *, body: str | None = None, made: bool = False, at: int = 200) -> dict[str, Any]:
    """What a route adds to its operation: schemas by name; `made`: it answers 201 where it made the thing."""
    content = {"application/json": {"schema": {"$ref": REF + answer}}}
    extra: dict[str, Any] = {"responses": {str(at): {"description": "Done", "content": content}}}
    if made:
        extra["responses"]["201"] = {"description": "Made", "content": content}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"$ref": REF + body}}}}
    return extra


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    made.setdefault("components", {})["schemas"] = components()
    for operations in made["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            problem = {"schema": {"$ref": f"{REF}Problem"}}
            operation["responses"]["default"] = {"description": "A problem", "content": {MEDIA_TYPE: problem}}
    app.openapi_schema = made
    return made
