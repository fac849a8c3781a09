"""Where the test time goes: seconds for each folder of tests, printed when a run ends.

The budget is one per folder (`make test` stays under 20 minutes), so a folder that grows must show without a search.
Loaded by `-p tests.seconds`. Under xdist only the controller prints; it hears every worker's reports, so the figures
are test seconds, and with `-n 2` about twice the wall time.
"""

from collections import defaultdict
from pathlib import PurePosixPath

import pytest


class Seconds:
    """Adds up what the reports of one run say."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._tests: defaultdict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Setup and teardown count too: a fixture's seconds are its folder's."""
        folder = _folder(report.nodeid)
        self._seconds[folder] += report.duration
        self._tests[folder] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._seconds:
            return
        terminalreporter.section("seconds per folder")
        for folder in sorted(self._seconds, key=self._seconds.__getitem__, reverse=True):
            terminalreporter.line(f"{self._seconds[folder]:8.1f} s {self._tests[folder]:6} tests  {folder}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Seconds(), "isthmus-seconds")


def _folder(nodeid: str) -> str:
    """`tests/unit/xds/test_names.py::test_x` counts for `tests/unit`."""
    parts = PurePosixPath(nodeid.partition("::")[0]).parts[:-1]
    return "/".join(parts[:2]) or "."
