"""docs: the contract for people to read: every operation, and every code a problem may have. Needs no internet.

FastAPI's own page loads its program from elsewhere, which an installation in a closed network cannot.
"""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.problems import ONLY_HTTP, STATUS
from isthmus.errors import IsthmusError
from isthmus.model.reading import CODES
from isthmus.sigv4 import Refused

router = APIRouter(include_in_schema=False)
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
code, pre { font: 14px/1.4 ui-monospace, monospace } h2 { margin-top: 2rem } dt { margin-top: .6rem }
dd { margin-left: 1.5rem } a { color: inherit } :target { background: #ff09 } html { color-scheme: light dark }
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every operation."""
    contract = request.app.openapi()
    body = "".join(_tag(tag, list(listed)) for tag, listed in _by_tag(contract).items())
    also = '<p><a href="/openapi.json">OpenAPI 3.1</a> · <a href="/docs/problems">problems</a></p>'
    return _page("Isthmus API", f"<p>{escape(contract['info']['description'])}</p>{also}{body}")


@router.get("/docs/problems")
async def problems() -> HTMLResponse:
    """Every code, with its status and what it means."""
    rows = sorted([*_of_core(), *((code, status, text) for code, (status, text) in ONLY_HTTP.items())])
    listed = "".join(
        f'<dt id="{code}"><code>{code}</code> · {status}</dt><dd>{escape(text)}</dd>' for code, status, text in rows
    )
    inside = "".join(f"<li><code>{code}</code></li>" for code in sorted({code for code, _ in CODES.values()}))
    intro = "<p>Every refusal is an RFC 9457 document; <code>code</code> is stable.</p>"
    return _page("Problems", f"{intro}<dl>{listed}</dl><h2>Codes within <code>errors</code></h2><ul>{inside}</ul>")


def _of_core(kind: type[IsthmusError] = IsthmusError) -> Iterator[tuple[str, int, str]]:
    """Code, status and meaning of every error of the core."""
    for sub in kind.__subclasses__():
        if sub is Refused:
            continue  # AWS's codes, which /v1 does not have
        status = 412 if sub.code == "revision_mismatch" else STATUS[sub.kind]
        yield sub.code, status, (sub.__doc__ or "").strip().partition("\n")[0]
        yield from _of_core(sub)


def _by_tag(contract: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    out: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            out.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    return out


def _tag(tag: str, listed: Iterable[tuple[str, str, dict[str, Any]]]) -> str:
    rows = "".join(
        f'<dt id="{escape(operation["operationId"])}"><code>{method} {escape(path)}</code></dt>'
        f"<dd>{escape(operation.get('description') or operation['summary'])}{_schemas(operation)}</dd>"
        for method, path, operation in listed
    )
    return f"<h2>{escape(tag)}</h2><dl>{rows}</dl>"


def _schemas(operation: dict[str, Any]) -> str:
    """The names of what goes in and comes out."""
    said = [("takes", operation.get("requestBody", {}))]
    said += [(f"gives {status}", answer) for status, answer in operation["responses"].items() if status != "default"]
    names = ((word, _name(part)) for word, part in said)
    return "".join(f" · {word} <code>{escape(name)}</code>" for word, name in names if name)


def _name(part: dict[str, Any]) -> str:
    schema = part.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _page(title: str, body: str) -> HTMLResponse:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
    return HTMLResponse(f'<!doctype html><html lang="en">{head}<h1>{escape(title)}</h1>{body}', headers=policy)
