"""notes: what was not carried over and what had to be assumed, told because a person decides whether it matters."""

from collections import Counter
from collections.abc import Iterator

NO_FIELD = "App Mesh's API has no such field"


class Notes:
    """Gathers what an import leaves out, skips and assumes, in the order in which it is met."""

    def __init__(self) -> None:
        self.left_out: Counter[tuple[str, str]] = Counter()
        """(field, why) → how often."""
        self.skipped: Counter[str] = Counter()
        """What is not App Mesh's, by what it is."""
        self.remarks: dict[str, None] = {}
        """Sentences, each once."""

    def leave_out(self, field: str, why: str = NO_FIELD) -> None:
        """One more field that is in no document."""
        self.left_out[field, why] += 1

    def skip(self, what: str) -> None:
        """One more thing that is not App Mesh's."""
        self.skipped[what] += 1

    def remark(self, sentence: str) -> None:
        """Something assumed."""
        self.remarks[sentence] = None

    def lines(self) -> Iterator[str]:
        """All of it, to be read."""
        yield from self.remarks
        if self.left_out:
            yield "in no document:"
            width = max(len(field) for field, _ in self.left_out)
            for (field, why), times in sorted(self.left_out.items()):
                yield f"  {field:{width}}  {times:4}  {why}"
        if self.skipped:
            yield "skipped, because it is not App Mesh's:"
            width = max(map(len, self.skipped))
            for what, times in sorted(self.skipped.items()):
                yield f"  {what:{width}}  {times:4}"
