"""client: the API as the tenant's commands use it: where it is, the token, and problems as messages to act on.

Found by `ISTHMUS_API` and `ISTHMUS_TOKEN`, or by what `isthmus login` stored. Exit codes: 0 done, 1 refused or failed,
2 wrong usage (typer's own), 3 somebody else changed it meanwhile, 4 the rollout halted.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

import httpx

STALE, HALTED = 3, 4
_STALE = {409, 412}
MISSING = 404


def credentials_file() -> Path:
    """Where `isthmus login` keeps what it was told."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "isthmus" / "credentials.json"


def fail(message: str, code: int = 1) -> NoReturn:
    """End the command with a message on stderr."""
    sys.stderr.write(message.rstrip() + "\n")
    raise SystemExit(code)


class Client:
    """A signed-in connection to the API, which is at `api`."""

    def __init__(self, api: str, token: str, timeout: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.api = api.rstrip("/")
        self._http = httpx.Client(base_url=self.api + "/v1", headers=headers, timeout=timeout)

    @classmethod
    def found(cls) -> Self:
        """From the environment or the stored login; a message saying how, if there is neither."""
        stored: dict[str, str] = {}
        if credentials_file().exists():
            stored = json.loads(credentials_file().read_text())
        api = os.environ.get("ISTHMUS_API") or stored.get("api")
        token = os.environ.get("ISTHMUS_TOKEN") or stored.get("token")
        if not api or not token:
            fail("not signed in: set ISTHMUS_API and ISTHMUS_TOKEN, or run `isthmus login --api URL`")
        return cls(api, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 - JSON
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request; whatever the API answers."""
        try:
            return self._http.request(method, path, json=body, headers=dict(headers or {}))
        except httpx.HTTPError as e:
            fail(f"cannot reach {self._http.base_url}: {e}")

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON, or the end of the command."""
        return checked(self.call("GET", path))

    def find(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON, None where there is no such thing."""
        response = self.call("GET", path)
        return None if response.status_code == MISSING else checked(response)

    def post(self, path: str, body: Any) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON, or the end of the command."""
        return checked(self.call("POST", path, body))

    def put(self, path: str, body: Any, precondition: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON, or the end of the command."""
        return checked(self.call("PUT", path, body, precondition))

    def patch(self, path: str, body: Any) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON, or the end of the command."""
        return checked(self.call("PATCH", path, body))

    def delete(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON, or the end of the command."""
        return checked(self.call("DELETE", path, headers={"If-Match": "*"}))

    def listed(self, path: str) -> Iterator[Any]:
        """Every item of a list, page after page."""
        token: str | None = ""
        while token is not None:
            answer = self.get(path + (f"?page_token={token}" if token else ""))
            yield from answer["items"]
            token = answer["next_page_token"]


def checked(response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
    """The answer's JSON; a problem ends the command with every violation named."""
    if response.is_success:
        return response.json()
    fail(problem(response), STALE if response.status_code in _STALE else 1)


def problem(response: httpx.Response) -> str:
    """A problem document as a person reads it."""
    try:
        body = response.json()
    except ValueError:
        return f"{response.status_code} from {response.request.url}"
    lines = [f"{body.get('code', response.status_code)}: {body.get('detail', '')}"]
    lines += [f"  {e['pointer'] or '/'}: {e['detail']} ({e['code']})" for e in body.get("errors", [])]
    return "\n".join([*lines, f"  request {body.get('request_id', '')}"])
