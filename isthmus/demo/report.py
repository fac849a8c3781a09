"""report: what the check found, step by step, as JSON: the last word, so it is built before anybody is asked."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.embedded.steps import Steps


@dataclass
class Report:
    """Every step with its name, whether it held, how long it took, and its evidence or what was wrong."""

    steps: Steps
    begin: float = field(default_factory=time.monotonic)
    answers: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything asked so far held."""
        return all(answer["ok"] for answer in self.answers)

    def ask(self, name: str, question: Callable[[], Mapping[str, Any]]) -> bool:
        """Put one question; what it raises is its answer, so that the others are asked as well."""
        begin = time.monotonic()
        try:
            with self.steps.step(name):
                details, ok = question(), True
        except Exception as e:  # noqa: BLE001 - whatever goes wrong is the answer
            details, ok = {"error": f"{type(e).__name__}: {e}"}, False
            self.steps.say(f"    {details['error']}")
        answer = {"name": name, "ok": ok, "seconds": round(time.monotonic() - begin, 2), "details": details}
        self.answers.append(answer)
        return ok

    def json(self) -> Mapping[str, Any]:
        """The whole report."""
        return {"ok": self.ok, "seconds": round(time.monotonic() - self.begin, 2), "steps": self.answers}
