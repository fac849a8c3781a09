"""inputs: the values a stack is made with: its parameters, and what CloudFormation knows of where it is made.

Region, account and stack name are not in a template. They have placeholders, and a note where one is used, because they
only ever end in ARNs and in names that people make with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from isthmus.imports.intrinsic import NO_VALUE, Unresolved
from isthmus.imports.loose import mapping
from isthmus.imports.notes import Notes

REGION, ACCOUNT = "us-east-1", "123456789012"
"""Placeholders; the account is the one of AWS's documentation."""
SAME_EVERYWHERE: Mapping[str, Any] = {
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::NoValue": NO_VALUE,
}


@dataclass(frozen=True)
class Given:
    """What the caller tells beside the templates: parameters, also `Resource` and `Resource.Attribute`; exports."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    account: str | None = None
    stack_name: str | None = None


@dataclass(frozen=True)
class Inputs:
    """The inputs of one template's stack."""

    file: str
    declared: Mapping[str, Any]
    """The template's `Parameters`."""
    given: Given
    notes: Notes

    def parameter(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """A parameter: as given, or by its default; a default that names an SSM parameter is no value."""
        said = mapping(self.declared, name)
        kind = str(said.get("Type", "String"))
        if name not in self.given.parameters and ("Default" not in said or kind.startswith("AWS::SSM::")):
            raise Unresolved(f"parameter {name} has no value: pass --parameter {name}=VALUE")
        chosen = self.given.parameters.get(name, said.get("Default"))
        if kind == "CommaDelimitedList" or kind.startswith("List<"):
            return [part.strip() for part in str(chosen).split(",")]
        return chosen

    def pseudo(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """`AWS::Region` and its like."""
        if name in SAME_EVERYWHERE:
            return SAME_EVERYWHERE[name]
        told = {
            "AWS::Region": (self.given.region, REGION, "--region"),
            "AWS::AccountId": (self.given.account, ACCOUNT, "--account"),
            "AWS::StackName": (self.given.stack_name, PurePath(self.file).stem, "--stack-name"),
        }
        if name not in told:
            raise Unresolved(f"{name} is known to CloudFormation alone")
        said, placeholder, option = told[name]
        if said is None:
            self.notes.remark(f"{self.file}: {name} is taken to be {placeholder}; {option} says otherwise")
        return placeholder if said is None else said
