"""user: the demo as a user of Isthmus: its API with a token, its command with two variables, and the shop itself.

Whatever is refused is an error with the answer in it, so that the demo ends with what went wrong and not with a guess.
"""

import json
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from isthmus.embedded.installation import environment, isthmus
from isthmus.embedded.waiting import NotReady

API_SECONDS, COMMAND_SECONDS, REQUEST_SECONDS = 10.0, 60.0, 5.0
NEW, ANY = {"If-None-Match": "*"}, {"If-Match": "*"}


class User:
    """Signed in to one installation."""

    def __init__(self, api: str, token: str) -> None:
        self._env = environment() | {"ISTHMUS_API": api, "ISTHMUS_TOKEN": token}
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=f"{api}/v1", headers=headers, timeout=API_SECONDS)

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:  # noqa: ANN401 - JSON
        """One request to the API; its answer, whatever it is."""
        return self._http.request(method, path, json=body, headers=dict(headers or {}))

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """What is there."""
        return self._done(self.ask("GET", path))

    def post(self, path: str, body: Any) -> Any:  # noqa: ANN401 - JSON
        """The answer to a POST."""
        return self._done(self.ask("POST", path, body))

    def put(self, path: str, body: Any, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        """The answer to a PUT."""
        return self._done(self.ask("PUT", path, body, headers))

    def command(self, *arguments: str) -> str:
        """What an `isthmus` command prints."""
        done = subprocess.run(
            isthmus(*arguments),
            env=self._env,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise NotReady(f"isthmus {' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def _done(self, answer: httpx.Response) -> Any:  # noqa: ANN401 - JSON
        if not answer.is_success:
            raise NotReady(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
        return answer.json()


def apply(user: User, files: str) -> Mapping[str, Any]:
    """`isthmus apply -f`; what it did."""
    applied: Mapping[str, Any] = json.loads(user.command("apply", "-f", files, "-o", "json"))
    return applied


def live(user: User, mesh: str, proxies: int) -> Callable[[], Mapping[str, Any] | None]:
    """The head of the mesh, once it is live on so many proxies and on no fewer than are connected; None before."""

    def is_live() -> Mapping[str, Any] | None:
        head = user.get(f"/meshes/{mesh}")["meta"]["head"]
        revision: Mapping[str, Any] = user.get(f"/meshes/{mesh}/revisions/{head}")
        if revision["status"] in {"halted", "rejected"}:
            raise NotReady(f"revision {head} is {revision['status']}: {revision['failures']} {revision['nacks']}")
        counts = revision["proxies"]
        proven = counts["connected"] == counts["acked"] == proxies
        return revision if revision["status"] == "live" and proven else None

    return is_live
