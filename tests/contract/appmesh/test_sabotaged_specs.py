"""One limit of ours loosened or tightened, and the drawn specs notice it: what keeps `test_specs` honest."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from pydantic.fields import FieldInfo

from isthmus.model import listening, logging, structure, tls
from isthmus.model.kinds import route, virtual_node
from isthmus.model.operations.inputs import MAYBE
from isthmus.model.operations.table import OPERATIONS
from isthmus.model.structure import Many, Structure
from tests.contract.appmesh.drawing import misjudged

MANY: Any = Many


def rebuilt() -> None:
    """Every structure anew, those within before those that hold them."""
    done: set[type] = set()

    def visit(shape: type[Structure]) -> None:
        if shape in done:
            return
        done.add(shape)
        for field in shape.model_fields.values():
            for inner in held(field.annotation):
                visit(inner)
        shape.model_rebuild(force=True)

    for operation in OPERATIONS.values():
        visit(operation.asked)


def held(annotation: Any) -> Iterator[type[Structure]]:  # noqa: ANN401 - a type
    """The structures in a type."""
    if isinstance(annotation, type) and issubclass(annotation, Structure):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from held(inner)


@pytest.fixture
def remade() -> Iterator[Callable[[type[Structure], str, Any], None]]:
    """Gives a field another type for the length of a test; `Maybe` makes it optional."""
    before: list[tuple[type[Structure], str, FieldInfo]] = []

    def remake(shape: type[Structure], name: str, annotation: Any) -> None:  # noqa: ANN401 - a type
        fields = shape.model_fields
        before.append((shape, name, fields[name]))
        optional = type(None) in getattr(getattr(annotation, "__origin__", None), "__args__", ())
        made = (
            FieldInfo.from_annotated_attribute(annotation, None) if optional else FieldInfo.from_annotation(annotation)
        )
        made.alias, made.validation_alias = fields[name].alias, fields[name].validation_alias
        made.serialization_alias = fields[name].serialization_alias
        fields[name] = made
        rebuilt()

    yield remake
    for shape, name, field in before:
        shape.model_fields[name] = field
    rebuilt()


SABOTAGES: Mapping[str, tuple[type[Structure], str, Any, str]] = {
    "a most is raised": (listening.PortMapping, "port", Annotated[int, Field(ge=1, le=65536)], "too high"),
    "a most is lowered": (
        logging.LoggingFormat, "text", MAYBE[Annotated[str, Field(min_length=1, max_length=999)]], "refused",
    ),
    "a least is dropped": (virtual_node.OutlierDetection, "max_server_errors", structure.NaturalLong, "too low"),
    "an enum is widened": (listening.VirtualGatewayPortMapping, "protocol", listening.NodeProtocol, "enum"),
    "an enum is narrowed": (tls.ListenerTls, "mode", Literal["STRICT", "PERMISSIVE"], "refused"),
    "a pattern is dropped": (virtual_node.AwsCloudMapInstanceAttribute, "key", structure.Name, "pattern"),
    "a member may be left out": (tls.ClientPolicyTls, "validation", MAYBE[tls.TlsValidationContext], "missing"),
    "items are not counted": (route.RouteAction, "weighted_targets", MANY[route.WeightedTarget], "too many items"),
}  # fmt: skip
"""What is done to which field, and the rule by which it must be noticed."""


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_limit_that_is_not_awss_is_noticed(remade: Callable[..., None], sabotage: str) -> None:
    *change, rule = SABOTAGES[sabotage]
    remade(*change)
    found = Counter(why for why, _, _ in misjudged())
    print(f"{sabotage}: {dict(found)}")  # noqa: T201
    assert found[rule]
    assert rule == "refused" or not found["refused"], "what is loosened refuses nothing"


def test_a_union_of_two_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are many items: both are refused at one place."""
    refuse = structure._refused_with  # noqa: SLF001 - what is sabotaged
    monkeypatch.setattr(
        structure, "_refused_with", lambda error, raw, build: build(raw) if raw else refuse(error, raw, build)
    )
    assert {rule for rule, _, _ in misjudged()} == {"two of a union", "too many items"}
