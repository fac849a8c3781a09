"""structure: what every piece of a definition has in common: frozen, strict, closed, and absent means absent.

App Mesh promised an exact round trip, so no field has a default of its own: what was not sent is not in
`model_fields_set` and is left out of the dump. `null` is refused: it would be a third state beside "said" and "not
said".
All limits are on the fields, where OpenAPI and the comparison with AWS's own model read them; rules that join fields
are `violations`, reported by `isthmus.model.check`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import no_info_wrap_validator_function

from isthmus.errors import Violation

T = TypeVar("T")

INT_MAX, LONG_MAX = 2**31 - 1, 2**63 - 1
"""App Mesh's `integer` and `long`, which bound every number that has no bound of its own."""


class _NeverNull:
    """Drops the `None` of `T | None` from what is accepted: it stands for "was not sent" and cannot be sent."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        said = [option for option in get_args(source) if option is not type(None)]
        return handler(said[0])


Maybe = Annotated[T | None, _NeverNull()]
"""A member that may be left out; `None` in Python, nothing in JSON, never null."""

Many = Annotated[tuple[T, ...], Field(strict=False)]
"""A JSON array, kept in order. Lax only about the container, because strict Python input would have to be a tuple."""

Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[int, Field(ge=1, le=INT_MAX)]
PositiveLong = Annotated[int, Field(ge=1, le=LONG_MAX)]
NaturalLong = Annotated[int, Field(ge=0, le=LONG_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
"""App Mesh's ResourceName, and every other string that it limits to 1-255 characters."""


def _without_null(schema: dict[str, Any]) -> None:
    """Python's `None` is no JSON default."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


def _one_member(schema: dict[str, Any]) -> None:
    _without_null(schema)
    schema.update(minProperties=1, maxProperties=1)


def _refused_with(error: PydanticCustomError, raw: Any, build: Callable[[Any], T]) -> T:  # noqa: ANN401 - as it came
    """Raise `error` about `raw` together with all that is wrong inside it: one answer, one round of mending."""
    wrong = [InitErrorDetails(type=error, loc=(), input=raw)]
    try:
        build(raw)
    except ValidationError as inner:
        for line in inner.errors(include_url=False):
            again = PydanticCustomError(line["type"], line["msg"], line.get("ctx", {}))
            wrong.append(InitErrorDetails(type=again, loc=line["loc"], input=line["input"]))
    raise ValidationError.from_exception_data("", wrong)


@dataclass(frozen=True)
class Items:
    """How many items an array has.

    Pydantic's own limits count valid items only: they accuse an array of one bad item of being empty, and miss that an
    array with a bad item is too long.
    """

    least: int
    most: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        return no_info_wrap_validator_function(self._counted, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        limits = {"minItems": self.least} | ({} if self.most is None else {"maxItems": self.most})
        return handler(schema) | limits

    def _counted(self, raw: Any, build: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - as it came
        if isinstance(raw, list) and len(raw) < self.least:
            error = PydanticCustomError("too_short", "too few items", {"min_length": self.least})
            return _refused_with(error, raw, build)
        if isinstance(raw, list) and self.most is not None and len(raw) > self.most:
            error = PydanticCustomError("too_long", "too many items", {"max_length": self.most})
            return _refused_with(error, raw, build)
        return build(raw)


class Structure(BaseModel):
    """One JSON object of a definition. Python names are App Mesh's in snake case, JSON names are App Mesh's."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", alias_generator=to_camel, json_schema_extra=_without_null
    )

    def violations(self) -> Iterator[Violation]:
        """The broken rules that join this structure's own fields; pointers start here."""
        return iter(())

    def json_object(self) -> dict[str, Any]:
        """What was sent, and nothing else."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Union(Structure):
    """A structure of which exactly one member is given."""

    model_config = ConfigDict(json_schema_extra=_one_member)

    @model_validator(mode="wrap")
    @classmethod
    def _exactly_one(cls, raw: Any, build: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - as it came
        """Wraps, so that a wrong number of members and wrong members are told in one answer."""
        given = sum(alias in raw for _, alias in members(cls)) if isinstance(raw, dict) else 1
        if given == 1:
            return build(raw)
        names = " or ".join(alias for _, alias in members(cls))
        error = PydanticCustomError("exactly_one_member", "must have exactly one of {names}", {"names": names})
        return _refused_with(error, raw, build)

    @property
    def chosen(self) -> tuple[str, Any]:
        """The member that is given, by its JSON name."""
        return next((alias, value) for name, alias in members(type(self)) if (value := getattr(self, name)) is not None)


@cache
def members(shape: type[Structure]) -> tuple[tuple[str, str], ...]:
    """(Python name, JSON name) of every member, in order."""
    return tuple((name, field.alias or name) for name, field in shape.model_fields.items())


def walk(structure: Structure, pointer: str) -> Iterator[tuple[str, Structure]]:
    """A structure and all that it holds, each with its JSON pointer."""
    yield pointer, structure
    for name, alias in members(type(structure)):
        value = getattr(structure, name)
        if isinstance(value, Structure):
            yield from walk(value, f"{pointer}/{alias}")
        elif isinstance(value, tuple):
            for i, element in enumerate(value):
                if isinstance(element, Structure):
                    yield from walk(element, f"{pointer}/{alias}/{i}")


def broken(structure: Structure, pointer: str) -> Iterator[Violation]:
    """Every broken rule in a structure and all that it holds."""
    for at, part in walk(structure, pointer):
        for violation in part.violations():
            yield violation.under(at)
