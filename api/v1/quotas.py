"""quotas: what an org may have, to be read by who runs into one. Only the operator raises them (`isthmus quota`)."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.openapi import says
from api.v1.context import Calling, Paged
from isthmus.store.quotas import DEFAULTS, Quotas

router = APIRouter(tags=["quotas"])


@router.get("/quotas", operation_id="listQuotas", openapi_extra=says("QuotaList"))
async def list_quotas(calling: Calling, page: Paged) -> dict[str, Any]:
    """Every quota of the org, by name."""

    def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
        quotas = sorted(Quotas(session, calling.org).all().items())
        told = [(name, {"name": name, "limit": value, "default": DEFAULTS[name]}) for name, value in quotas]
        return [each for each in told if after is None or each[0] > after][:limit]

    return await page.of(rows)
