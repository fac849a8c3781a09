"""certificates: what is asked for when a managed certificate or authority is made. `/v1` only; App Mesh had ACM for it.

Each way has a member of its own, so what belongs to one way cannot be said beside another.
"""

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field

from isthmus.errors import Invalid, Violation
from isthmus.model.reading import read, refuse_unstorable
from isthmus.model.structure import Items, Many, Maybe, Name, Structure, Union, broken
from isthmus.pki import web

Shape = TypeVar("Shape", bound=Structure)

_NATIVE = ConfigDict(alias_generator=None)
_YEARS_10 = 10 * 365 * 86400

Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d{1,2}$", max_length=40)]
Account = Annotated[str, Field(pattern="^[0-9]{12}$")]
Pem = Annotated[str, Field(min_length=1, max_length=65536)]
Domains = Annotated[Many[Annotated[str, Field(max_length=253)]], Items(1, web.MOST_DOMAINS)]
AcmeDomains = Annotated[Many[Annotated[str, Field(max_length=253)]], Items(1, 20)]
"""An order is made and answered a domain at a time, within the 15 s for which a worker holds its promise."""
Life = Annotated[int, Field(ge=int(web.SHORTEST.total_seconds()), le=_YEARS_10)]
"""Seconds."""


class _Owned(Structure):
    """Whose it is: without `account` the org's first; without `region` where the API runs."""

    model_config = _NATIVE

    region: Maybe[Region] = None
    account: Maybe[Account] = None


class _ForDomains(_Owned):
    domains: Domains

    def violations(self) -> Iterator[Violation]:
        for i, domain in enumerate(self.domains):
            wrong = web.wrong_domain(domain, f"/domains/{i}")
            if wrong:
                yield wrong
            elif domain in self.domains[:i]:
                yield Violation(f"/domains/{i}", "duplicate", f"{domain} is in the list already")


class Requested(_ForDomains):
    """Of a managed authority with a key: issued at once, renewed at two thirds of its life (13 months by default)."""

    authority: Name
    life: Maybe[Life] = None


class AcmeOrdered(_ForDomains):
    """Of an ACME authority by HTTP-01, which the org's virtual gateways answer; without `directory` the default one."""

    domains: AcmeDomains
    directory: Maybe[Annotated[str, Field(min_length=1, max_length=2048)]] = None

    def violations(self) -> Iterator[Violation]:
        yield from super().violations()
        for i, domain in enumerate(self.domains):
            if domain.startswith("*."):
                detail = (
                    "HTTP-01 cannot prove a wildcard (RFC 8555 §8.3): name the hosts, or request it of an authority"
                )
                yield Violation(f"/domains/{i}", "wildcard", detail)


class Pair(Structure):
    """A chain, leaf first, and the leaf's key, both PEM."""

    model_config = _NATIVE

    chain: Pem
    private_key: Pem


class Imported(_Owned, Pair):
    """Brought along; its owner renews it, by a PUT of the next one."""


class NewCertificate(Union):
    """A managed certificate to be."""

    model_config = _NATIVE

    requested: Maybe[Requested] = None
    imported: Maybe[Imported] = None
    acme: Maybe[AcmeOrdered] = None


class MadeAuthority(_Owned):
    """With a key of its own, which never leaves us; 10 years by default."""

    name: Name
    life: Maybe[Life] = None


class ImportedAuthority(_Owned):
    """Roots without a key: to be trusted only."""

    name: Name
    roots: Pem


class NewAuthority(Union):
    """A managed authority to be."""

    model_config = _NATIVE

    made: Maybe[MadeAuthority] = None
    imported: Maybe[ImportedAuthority] = None


SHAPES: tuple[type[Structure], ...] = (NewCertificate, NewAuthority, Pair)


def parse(shape: type[Shape], raw: Any) -> Shape:  # noqa: ANN401 - decoded JSON
    """A body as one of the shapes above; Invalid with every violation."""
    said = read(shape, raw, "")
    refuse_unstorable(raw, "")
    wrong = tuple(broken(said, ""))
    if wrong:
        raise Invalid(wrong)
    return said
