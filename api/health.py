"""health: is this process alive, and does everything behind it answer. No sign-in, no secrets, no tenant's names."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import text
from sqlalchemy.orm import Session

from api.problems import AWAY, away
from isthmus.store import beats, hubs

router = APIRouter(tags=["health"])
FRESH_SECONDS = 10.0
PARTS = ("relay", "worker")
"""What must have shown itself lately: the relay by its own loop, the worker by a tick that beat sent through Valkey."""


@router.get("/healthz", operation_id="healthz")
async def healthz() -> dict[str, str]:
    """Whether this process answers."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="readyz")
async def readyz(request: Request, response: Response) -> dict[str, Any]:
    """Every part of the control plane has answered lately: 503 naming those that have not."""

    def look(session: Session) -> dict[str, bool]:
        session.execute(text("SELECT 1"))
        ages = beats.ages(session)
        return {part: ages.get(part, FRESH_SECONDS) < FRESH_SECONDS for part in PARTS} | {
            "hub": bool(hubs.fresh(session))
        }

    try:
        parts = {"database": True} | await request.app.state.database.lookup(look)
    except AWAY as error:
        if not away(error):
            raise
        parts = {"database": False}
    ready = all(parts.values())
    response.status_code = 200 if ready else 503
    return {"status": "ready" if ready else "not ready", "parts": parts}
