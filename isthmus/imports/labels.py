"""labels: Kubernetes' label selectors: absent selects nothing, empty selects everything, all parts must hold."""

from collections.abc import Mapping
from typing import Any

from isthmus.imports.loose import items, mapping

Labels = Mapping[str, str]


def selects(selector: Any, labels: Labels) -> bool:  # noqa: ANN401 - decoded
    """Whether a selector picks what has these labels."""
    if not isinstance(selector, dict):
        return False
    exact, expressions = mapping(selector, "matchLabels"), items(selector.get("matchExpressions"))
    return all(labels.get(key) == value for key, value in exact.items()) and all(
        _holds(mapping(expression), labels) for expression in expressions
    )


def _holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    key, values = str(expression.get("key")), items(expression.get("values"))
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
