"""app mesh guide: how an App Mesh user's clients are pointed at one installation, for people and for machines."""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from isthmus.cli.app_mesh_differences import DIFFERENCES, without_effect
from isthmus.cli.app_mesh_sections import SECTIONS, Section

WIDTH = 98
NO_KEY, NO_ACCOUNT, SECRET = "ACCESS_KEY_ID", "ACCOUNT_ID", "SECRET_ACCESS_KEY"
"""What stands where something is not known; the secret never is."""
MAKE_KEY = "isthmus access-key create"


@dataclass(frozen=True, slots=True)
class Installation:
    """What the guide is for; None is what is not known."""

    url: str
    region: str
    account: str | None = None
    access_key_id: str | None = None

    def filling(self) -> Mapping[str, str]:
        """What stands for each `$name`."""
        return {
            "url": self.url,
            "region": self.region,
            "account": self.account or NO_ACCOUNT,
            "access_key_id": self.access_key_id or NO_KEY,
            "secret": SECRET,
        }


def settings(installation: Installation) -> dict[str, Any]:
    """The guide for machines: each client's setting under its key."""
    sections = {section.key: _filled(section, installation) for section in SECTIONS}
    return {
        "url": installation.url,
        "region": installation.region,
        "account": installation.account,
        "access_key_id": installation.access_key_id,
        "clients": {key: {"title": s.title, "text": s.text, "setting": s.code} for key, s in sections.items()},
        "differs": list(DIFFERENCES),
        "without_effect_yet": list(without_effect()),
    }


def guide(installation: Installation) -> str:
    """The guide for people."""
    parts = [
        _titled("App Mesh's clients, pointed at this installation", _facts(installation)),
        *(_titled(section.title, _body(section)) for section in (_filled(s, installation) for s in SECTIONS)),
        _titled("What differs", map(_item, DIFFERENCES)),
        _titled("Accepted, and without effect yet (`ineffective` of a revision)", map(_item, without_effect())),
    ]
    return "\n\n".join(parts) + "\n"


def _filled(section: Section, installation: Installation) -> Section:
    filling = installation.filling()
    text, code = (Template(part).substitute(filling) for part in (section.text, section.code))
    return Section(section.key, section.title, text, code)


def _titled(title: str, lines: Iterator[str]) -> str:
    return "\n".join([title, "-" * len(title), *lines])


def _facts(installation: Installation) -> Iterator[str]:
    facts = {
        "endpoint": installation.url,
        "region": installation.region,
        "account": installation.account or f"{NO_ACCOUNT}: say it with --account",
        "access key": installation.access_key_id or f"{NO_KEY}: none is active; make one with `{MAKE_KEY}`",
        "secret": f"{SECRET}: was shown once, when the key was made",
    }
    yield from (f"{name:12}{value}" for name, value in facts.items())


def _body(section: Section) -> Iterator[str]:
    """Settings are not indented: not every parser of what is copied from here forgives it."""
    if section.text:
        yield textwrap.fill(section.text, WIDTH, break_on_hyphens=False, break_long_words=False)
        yield ""
    yield section.code.rstrip("\n")


def _item(text: str) -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )
