"""Benchmarks: each module here is one; `python -m bench [NAME…]` runs them and prints medians and ratios.

Performance is never a timed test: machines are noisy, so a figure is the median of several runs, and where two things
are compared they run interleaved in one run.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: `must` is design §11's bound, in the same unit; None for what is only told."""

    what: str
    value: float
    unit: str
    must: float | None
    runs: int

    @property
    def line(self) -> str:
        """A row of the README's table."""
        must = "–" if self.must is None else f"< {self.must:g} {self.unit}"
        return f"| {self.what} | {self.value:g} {self.unit} | {must} | {self.runs} |"
