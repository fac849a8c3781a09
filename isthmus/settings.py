"""settings: what one process is told, checked as a whole before it opens its first socket.

From `ISTHMUS_*` variables, over a TOML file that `ISTHMUS_SETTINGS` may name. A key that we do not know is refused,
because a misspelt setting that is silently left at its default is found months later. URLs may hold passwords, so they
are of a type that does not print, and violations never quote the value.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from isthmus import values
from isthmus.errors import Invalid, Violation
from isthmus.hostport import parted

PREFIX = "ISTHMUS_"
FILE = "ISTHMUS_SETTINGS"
COMMAND_LINE = ("ISTHMUS_API", "ISTHMUS_TOKEN")
"""Variables of the tenant's commands, which may be set where our processes run."""
HUB = ("hub_name", "hub_link_bind", "hub_link_address", "hub_enrolment_bind", "hub_enrolment_address")
"""What a hub needs besides."""
_MAX_PORT = 65535


def _postgres(text: str) -> str:
    if not text.startswith("postgresql+psycopg://"):
        raise ValueError("must begin with postgresql+psycopg://")
    return values.Secret(text)


def _broker(text: str) -> str:
    if not text.startswith(("redis+socket://", "redis://", "rediss://")):
        raise ValueError("must begin with redis+socket://, redis:// or rediss://")
    return values.Secret(text)


def _address(text: str) -> str:
    if not 0 < parted(text)[1] <= _MAX_PORT:
        raise ValueError("must be HOST:PORT")
    return text


def _region(text: str) -> str:
    try:
        return values.region(text)
    except Invalid as e:
        raise ValueError(str(e)) from e


Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseModel):
    """The settings of one process. Fields that only a hub or the API needs are empty elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: Annotated[str, AfterValidator(_postgres)]
    """SQLAlchemy's URL for psycopg, as the role `isthmus_app` (for `isthmus migrate`: `isthmus_owner`)."""
    valkey_url: Annotated[str, AfterValidator(_broker)]
    """Celery's URL of its broker."""
    master_key_file: Path
    """Seals every private key and secret that we store."""
    link_ca_cert: Path
    """The link CA's certificate, PEM: what agents pin."""
    link_ca_key: Path
    """The link CA's key, sealed under the master key."""
    base_domain: str = values.BASE_DOMAIN
    region: Annotated[str, AfterValidator(_region)] = "us-east-1"
    """Where this process runs; new meshes have their home here."""
    api_bind: Address = "127.0.0.1:18000"
    hub_name: str = ""
    hub_link_bind: Address = ""
    hub_link_address: Address = ""
    """Where agents reach `hub_link_bind` from outside; likewise for enrolment."""
    hub_enrolment_bind: Address = ""
    hub_enrolment_address: Address = ""
    acme_directories: str = "https://acme-v02.api.letsencrypt.org/directory"
    """The ACME authorities that tenants may use, by the URLs of their directories, comma-separated; the default first.

    A closed list, because our workers would otherwise fetch any URL that a tenant names.
    """
    test: bool = False
    """Allows failpoints (contracts.md)."""

    @property
    def directories(self) -> tuple[str, ...]:
        """`acme_directories`, one by one."""
        return tuple(each.strip() for each in self.acme_directories.split(",") if each.strip())

    @property
    def async_database_url(self) -> str:
        """SQLAlchemy's URL for asyncpg."""
        return values.Secret(self.database_url.replace("+psycopg:", "+asyncpg:", 1))

    @property
    def libpq_url(self) -> str:
        """The URL as libpq understands it, for a connection without SQLAlchemy."""
        return values.Secret(self.database_url.replace("+psycopg:", ":", 1))

    @property
    def redis_url(self) -> str:
        """The broker's URL as redis-py understands it."""
        return values.Secret(self.valkey_url.replace("redis+socket:", "unix:", 1))

    @classmethod
    def load(cls, environ: Mapping[str, str], *, require: Iterable[str] = ()) -> Self:
        """Read and check everything; `require` names optional fields that this process needs.

        Raises `Invalid` with every violation, under the setting's name.
        """
        raw = _from_file(environ.get(FILE)) | _from_variables(environ)
        violations = [
            Violation(f"/{name}", "missing", "is needed by this process") for name in require if name not in raw
        ]
        try:
            settings = cls.model_validate(raw)
        except ValidationError as e:
            raise Invalid([*violations, *map(_violation, e.errors(include_input=False))]) from None
        violations += _missing_files(settings)
        if violations:
            raise Invalid(violations)
        return settings

    def environment(self) -> dict[str, str]:
        """The variables from which `load` makes these settings again: how a supervisor passes them on."""
        told = self.model_dump(exclude_unset=True, mode="json")
        return {PREFIX + name.upper(): str(value) for name, value in told.items()}


def _missing_files(settings: Settings) -> list[Violation]:
    named = [(name, getattr(settings, name)) for name in ("master_key_file", "link_ca_cert", "link_ca_key")]
    return [
        Violation(f"/{name}", "no_such_file", f"{path} is not a file") for name, path in named if not path.is_file()
    ]


def _from_file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text())
    except (OSError, tomllib.TOMLDecodeError) as e:
        raise Invalid.one("", "unreadable_settings", f"{path}: {e}") from e


def _from_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    ours = {k: v for k, v in environ.items() if k.startswith(PREFIX) and k not in {FILE, *COMMAND_LINE}}
    return {k.removeprefix(PREFIX).lower(): v for k, v in ours.items()}


def _violation(error: Mapping[str, Any]) -> Violation:
    """An error of pydantic's as ours."""
    pointer = "".join(f"/{part}" for part in error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return Violation(pointer, "unknown_setting", "there is no such setting")
        case "missing":
            return Violation(pointer, "missing", "must be set")
        case _:
            return Violation(pointer, "invalid", str(error["msg"]).removeprefix("Value error, "))
