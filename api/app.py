"""The API: one FastAPI app for all northbound interfaces, stateless, made of settings and nothing else.

`create_app` is called by the process and by tests; no app is made at import time, so nothing is configured by accident.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.routing import Mount

from api import docs, health, paths, problems, requests
from api.appmesh.app import AppMesh
from api.cursors import Cursors
from api.openapi import document
from api.roots import Roots, ca_pin
from api.v1 import (
    access_keys,
    accounts,
    certificate_authorities,
    certificates,
    changes,
    clusters,
    documents,
    meshes,
    plaintext,
    quotas,
    revisions,
    snapshots,
)
from isthmus import __version__
from isthmus.adapters.sealer import Sealer
from isthmus.model.operations.table import BASE
from isthmus.settings import Settings
from isthmus.store.database import AsyncDatabase

DESCRIPTION = (
    "Isthmus, a managed multi-cluster service mesh: every change is planned, proven, and told when it is live."
)


def create_app(settings: Settings) -> FastAPI:
    """The app of one process."""
    sealer = Sealer.load(settings.master_key_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await app.state.database.close()

    app = FastAPI(
        title="Isthmus",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.database = AsyncDatabase(settings.database_url)
    app.state.sealer = sealer
    app.state.cursors = Cursors(sealer.derive("cursors"))
    app.state.roots = Roots(sealer)
    app.state.hub_ca_pin = ca_pin(settings.link_ca_cert)
    problems.install(app)
    paths.install(app)
    requests.install(app)
    app.router.routes.append(_app_mesh(AppMesh(app.state.database, sealer, app.state.cursors)))
    app.include_router(health.router)
    app.include_router(docs.router)
    app.include_router(_v1())
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


def _app_mesh(made: AppMesh) -> Mount:
    """Everything under App Mesh's version; even if a name holds a line break, which Starlette's `.` does not match."""
    mount = Mount(BASE, made)
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


def _v1() -> APIRouter:
    """Everything under /v1; meshes before the kinds inside them, so that literal paths win."""
    out = APIRouter(prefix="/v1")
    ours = (accounts.router, access_keys.router, clusters.router, quotas.router)
    of_meshes = (meshes.router, changes.router, revisions.router, snapshots.router, plaintext.router)
    trust = (certificates.router, certificate_authorities.router)
    for part in (*trust, *of_meshes, *ours, documents.router()):
        out.include_router(part)
    return out
