"""making: values of the shapes of AWS's service model, by chance, with their limits often met exactly.

What the model does not say of a shape is made by hand (`specs`), and what a value refers to is kept beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

from tests.contract.appmesh.strict import limits
from tests.contract.aws_model import SHAPES

Json = Any
T = TypeVar("T")
Neighbour = tuple[str, str, Json]
"""Kind, name and spec of what must be there before."""
TEXTS = ("a", "Ab-9_.", "ü…", "😀", ' "\\/', "x y", "%2F*", "日本", "\t\n", "<&>", "~0~1")


class Maker:
    """Makes values of shapes by chance; keeps what they refer to."""

    def __init__(self, random: Random, by_hand: "Mapping[str, Callable[[Maker], Json]]") -> None:
        self._random, self._by_hand = random, by_hand
        self.neighbours: list[Neighbour] = []

    def one(self, options: Sequence[T]) -> T:
        """One of them."""
        return self._random.choice(options)

    def number(self, low: int, high: int) -> int:
        """One of them, its limits often among them."""
        return self.one((low, high, self._random.randint(low, high), self._random.randint(low, high)))

    def chance(self, percent: int = 70) -> bool:
        """Whether to."""
        return self._random.randrange(100) < percent

    def text(self, low: int, high: int, letters: Sequence[str] = TEXTS, begin: str = "") -> str:
        """Text of a length within limits, these among them."""
        length = self.one((low, high, min(low + 1, high), min(low + 7, high)))
        seed = self.one(letters)
        return str((begin + seed * (length // len(seed) + 1))[: max(length, len(begin))])

    def name(self, low: int = 1) -> str:
        """A name of a resource; `.` and `..` cannot stand in a URL's path."""
        return self.text(low, 255)

    def make(self, shape: str) -> Json:
        """A value of a shape."""
        by_hand = self._by_hand.get(shape)
        return by_hand(self) if by_hand else self.by_model(shape)

    def by_model(self, name: str, *without: str) -> Json:
        """A value of which only the model is known; of a structure, without some members."""
        shape = SHAPES[name]
        match shape["type"]:
            case "structure" if shape.get("union"):
                member = self.one(tuple(shape["members"]))
                return {member: self.make(shape["members"][member]["shape"])}
            case "structure":
                required = shape.get("required", ())
                given = [m for m in shape["members"] if m not in without and (m in required or self.chance())]
                return {member: self.make(shape["members"][member]["shape"]) for member in given}
            case "list":
                return [self.make(shape["member"]["shape"]) for _ in range(self.size(shape))]
            case "string":
                low, high = shape.get("min", 1), shape.get("max", 300)
                return self.one(shape["enum"]) if "enum" in shape else self.text(low, high)
            case "boolean":
                return self.chance(50)
        return self.number(*limits(shape))

    def size(self, shape: Json) -> int:
        """How many items: few, and sometimes as many as may be."""
        most = shape.get("max", 3)
        return int(most) if self.chance(8) else self.number(shape.get("min", 0), min(most, 3))

    def ports(self, low: int, high: int) -> list[int]:
        """Ports, each once."""
        return list(dict.fromkeys(self.number(1, 65535) for _ in range(self.number(low, high))))
