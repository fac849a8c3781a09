"""With CI=true a skip is a failure, unless `tests/allowed_skips` lists its reason.

A test that skips for want of a tool is right on somebody's machine. In continuous integration it would mean that
nobody runs it anywhere, and that a tool which stops being installed takes its tests away in silence. Loaded by
`-p tests.skips`.
"""

import os
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

ALLOWED = Path(__file__).with_name("allowed_skips")


def allowed(text: str) -> frozenset[str]:
    """The reasons that a list admits. ValueError for a line that does not say why."""
    lines = [line.split(" -- ") for line in text.splitlines() if line and not line.startswith("#")]
    if vague := [line for line in lines if len(line) != 2]:
        raise ValueError(f"{ALLOWED.name}: `reason -- why CI may do without`, not {vague}")
    return frozenset(reason for reason, _ in lines)


class Skips:
    """Turns reports of skips into failures."""

    def __init__(self, reasons: frozenset[str]) -> None:
        self._reasons = reasons

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        return self._judged((yield))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """A module skips as a whole, with `importorskip` for one."""
        return self._judged((yield))

    def _judged(self, report: Report) -> Report:
        if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if reason not in self._reasons:
                report.outcome = "failed"
                report.longrepr = f"skipped, which {ALLOWED.name} does not allow in CI: {reason}"
        return report


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI") == "true":
        config.pluginmanager.register(Skips(allowed(ALLOWED.read_text())), "isthmus-skips")
