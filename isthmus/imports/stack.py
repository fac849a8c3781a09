"""stack: one CloudFormation template as the stack it would be: its resources, conditions and exports.

What a function may look up is looked up here, and only when a document needs it: most of a template is not App Mesh's,
and what is wrong there is not ours to tell.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from isthmus.imports import intrinsic
from isthmus.imports.inputs import Given, Inputs
from isthmus.imports.intrinsic import NO_VALUE, Unresolved
from isthmus.imports.loose import mapping
from isthmus.imports.notes import Notes
from isthmus.imports.said import Place, name_of
from isthmus.model.arn import arn
from isthmus.model.key import PARENTS, Key

PREFIX = "AWS::AppMesh::"
NAMED_BY_PROPERTY = "AWS::ServiceDiscovery::"
"""Cloud Map's resources, whose attribute `Name` is the property of that name."""


class Stack:
    """One template; `beside` are all stacks of the input, for what they export to one another."""

    def __init__(
        self, file: str, template: Mapping[str, Any], given: Given, beside: Sequence["Stack"], notes: Notes
    ) -> None:
        self._file, self._template, self._given, self._beside, self._notes = file, template, given, beside, notes
        self._inputs = Inputs(file, mapping(template, "Parameters"), given, notes)
        self._asked: list[str] = []

    @property
    def resources(self) -> Mapping[str, Any]:
        """Every resource by logical id."""
        return mapping(self._template, "Resources")

    @property
    def names(self) -> Iterator[str]:
        """What `--parameter` may be about."""
        yield from self._inputs.declared
        yield from self.resources

    def place(self, logical: str) -> Place:
        """Where a resource stands."""
        return Place(self._file, f"{self._type(logical).removeprefix(PREFIX)} {logical}")

    def exists(self, logical: str) -> bool:
        """Whether a resource's condition, if it has one, holds."""
        condition = mapping(self.resources, logical).get("Condition")
        return condition is None or self.condition(str(condition))

    def name(self, logical: str) -> str:
        """What an App Mesh resource is called; where the template leaves it to CloudFormation, its logical id."""
        kind = self._kind(logical)
        said = self._said_name(logical, kind)
        if said is None:
            self._notes.remark(f"{self.place(logical).at()} has no {kind}Name: it is called by its logical id")
        return said or logical

    def mesh(self, logical: str) -> str:
        """The mesh of an App Mesh resource."""
        return self.name(logical) if self._kind(logical) == "Mesh" else self._named(logical, "Mesh")

    def parent(self, logical: str) -> str | None:
        """The router of a route, the gateway of a gateway route."""
        parent = PARENTS.get(self._kind(logical))
        return None if parent is None else self._named(logical, parent)

    def ref(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """What `Ref` of a name is."""
        if name.startswith("AWS::"):
            return self._inputs.pseudo(name)
        if name in self._inputs.declared:
            return self._inputs.parameter(name)
        if name in self._given.parameters:
            return self._given.parameters[name]
        if self._kind(name):
            return self._arn(name)
        if name not in self.resources:
            raise Unresolved(f"there is no parameter or resource {name}")
        raise Unresolved(f"{name} is of {self._type(name)}: pass --parameter {name}=VALUE")

    def attribute(self, resource: str, name: str) -> Any:  # noqa: ANN401 - JSON
        """What `GetAtt` of a resource is."""
        said = f"{resource}.{name}"
        if said in self._given.parameters:
            return self._given.parameters[said]
        found = self._own(resource, name) if self._kind(resource) else None
        if self._type(resource).startswith(NAMED_BY_PROPERTY) and name == "Name":
            found = self._property(resource, "Name")
        if found is not None:
            return found
        what = f"of {self._type(resource)}" if resource in self.resources else "not in the template"
        raise Unresolved(f"{resource} is {what}: pass --parameter {said}=VALUE")

    def condition(self, name: str) -> bool:
        """A named condition."""
        conditions = mapping(self._template, "Conditions")
        if name not in conditions:
            raise Unresolved(f"there is no condition {name}")
        with self._asking(f"condition {name}"):
            return intrinsic.truth(conditions[name], self)

    def mapped(self, name: str) -> Mapping[str, Any]:
        """One of the template's mappings."""
        return mapping(self._template, "Mappings", name)

    def imported(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """What a stack of the input exports under a name."""
        if name in self._given.imports:
            return self._given.imports[name]
        for stack in self._beside:
            for output in stack.exported(name):
                return output
        raise Unresolved(f"no template in the input exports {name}: pass --import {name}=VALUE")

    def exported(self, name: str) -> Iterator[Any]:
        """What the stack exports under a name: once, or not at all."""
        for logical, output in mapping(self._template, "Outputs").items():
            try:
                exported = intrinsic.value(mapping(output, "Export").get("Name"), self)
            except Unresolved:
                continue
            if exported == name:
                with self._asking(f"output {logical}"):
                    yield intrinsic.value(mapping(output).get("Value"), self)

    def _type(self, logical: str) -> str:
        return str(mapping(self.resources, logical).get("Type"))

    def _kind(self, logical: str) -> str:
        """App Mesh's kind of a resource, empty if it is none of App Mesh's."""
        what = self._type(logical)
        return what.removeprefix(PREFIX) if what.startswith(PREFIX) else ""

    def _own(self, logical: str, attribute: str) -> Any:  # noqa: ANN401 - JSON
        """An attribute of an App Mesh resource, None if it has none such that a template can tell."""
        kind = self._kind(logical)
        if attribute == "Arn":
            return self._arn(logical)
        if attribute in {"MeshOwner", "ResourceOwner"}:
            return self._inputs.pseudo("AWS::AccountId")
        if attribute == "MeshName":
            return self.mesh(logical)
        if attribute == f"{PARENTS.get(kind)}Name":
            return self.parent(logical)
        return self.name(logical) if attribute == f"{kind}Name" else None

    def _named(self, logical: str, kind: str) -> str:
        """The name in a property that names another resource; an ARN stands for the name in it."""
        said = self._said_name(logical, kind)
        if said is None:
            raise Unresolved(f"{logical} has no {kind}Name")
        return name_of(said, kind) or said

    def _said_name(self, logical: str, kind: str) -> str | None:
        said = self._property(logical, f"{kind}Name")
        if said is not NO_VALUE and (not said or not isinstance(said, str | int)):
            raise Unresolved(f"{logical}.{kind}Name is no name: {said!r}")
        return None if said is NO_VALUE else str(said)

    def _property(self, logical: str, name: str) -> Any:  # noqa: ANN401 - JSON
        properties = mapping(self.resources, logical, "Properties")
        with self._asking(f"{logical}.{name}"):
            return intrinsic.value(properties[name], self) if name in properties else NO_VALUE

    def _arn(self, logical: str) -> str:
        region, account = self._inputs.pseudo("AWS::Region"), self._inputs.pseudo("AWS::AccountId")
        key = Key(self._kind(logical), self.name(logical), self.parent(logical))
        return arn(region, account, self.mesh(logical), key)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Refuses what is asked for while it is being worked out: a template may go round in a circle."""
        if what in self._asked:
            raise Unresolved(f"{what} refers to itself")
        self._asked.append(what)
        try:
            yield
        finally:
            self._asked.remove(what)
