"""template: a CloudFormation template out of JSON or YAML, short tags in their long form: `!Ref x` is `{Ref: x}`.

Dates stay text (`2010-09-09` is a version, and a tag's value may look like one), and no key may stand twice.
"""

import json
from typing import Any

import yaml

from isthmus.errors import Invalid
from isthmus.imports.loose import mapping
from isthmus.model.files import UniqueKeys, decode

_PLAIN = ("Ref", "Condition")
"""What is called the same in both forms; everything else is `Fn::…`."""


class _Tags(UniqueKeys):
    """YAML as CloudFormation reads it."""


def _long(loader: _Tags, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in _PLAIN else f"Fn::{suffix}"
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.ScalarNode), "YAML has three kinds of nodes"
    return {name: loader.construct_scalar(node)}


def _as_text(loader: _Tags, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Tags.add_multi_constructor("!", _long)
_Tags.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def parse_template(text: str) -> dict[str, Any] | None:
    """The template, None if the text is something else. Raises Invalid if it is neither JSON nor YAML."""
    try:
        raw = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _Tags)  # noqa: S506 - a SafeLoader
    except json.JSONDecodeError:
        raw = next(iter(decode(text)), None)
    except yaml.YAMLError as error:
        raise Invalid.one("", "not_yaml", f"is neither JSON nor YAML: {error}") from None
    except RecursionError:
        raise Invalid.one("", "too_deep", "is nested too deeply") from None
    return raw if isinstance(raw, dict) and mapping(raw, "Resources") else None
