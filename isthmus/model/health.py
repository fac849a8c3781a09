"""health: the limits of health checks that App Mesh's nodes and gateways share."""

from typing import Annotated

from pydantic import Field

from isthmus.model.structure import Maybe, Port, Structure

_Threshold = Annotated[int, Field(ge=2, le=10)]


class HealthChecking(Structure):
    """Everything of a health check but its protocol, of which a gateway has fewer."""

    healthy_threshold: _Threshold
    interval_millis: Annotated[int, Field(ge=5000, le=300_000)]
    path: Maybe[str] = None
    port: Maybe[Port] = None
    timeout_millis: Annotated[int, Field(ge=2000, le=60_000)]
    unhealthy_threshold: _Threshold
