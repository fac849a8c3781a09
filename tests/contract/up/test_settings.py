"""Settings: everything wrong is said at once, before anything starts, and no secret is among what is said."""

from pathlib import Path

import pytest

from isthmus.errors import Invalid
from isthmus.settings import HUB, Settings

PASSWORD = "correct-horse"


@pytest.fixture
def good(short: Path) -> dict[str, str]:
    files = {name: short / name for name in ("master_key_file", "link_ca_cert", "link_ca_key")}
    for path in files.values():
        path.touch()
    return {
        "ISTHMUS_DATABASE_URL": f"postgresql+psycopg://app:{PASSWORD}@db/isthmus",
        "ISTHMUS_VALKEY_URL": f"rediss://:{PASSWORD}@cache:6379/0",
    } | {f"ISTHMUS_{name.upper()}": str(path) for name, path in files.items()}


def _violations(environ: dict[str, str], require: tuple[str, ...] = ()) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        Settings.load(environ, require=require)
    assert PASSWORD not in str(caught.value)
    return {v.pointer: v.code for v in caught.value.violations}


def test_good_ones_load_and_make_themselves_again_through_the_environment(good: dict[str, str]) -> None:
    settings = Settings.load(good | {"ISTHMUS_TEST": "true", "PATH": "/bin", "ISTHMUS_TOKEN": "of the command line"})
    assert settings.test
    assert Settings.load(settings.environment()) == settings
    assert settings.async_database_url.startswith("postgresql+asyncpg://app:")
    assert settings.libpq_url.startswith("postgresql://app:")


def test_no_secret_is_printed(good: dict[str, str]) -> None:
    settings = Settings.load(good)
    assert PASSWORD not in repr(settings) + str(settings) + repr(settings.libpq_url) + repr(settings.redis_url)


def test_every_violation_is_named_at_once(good: dict[str, str]) -> None:
    bad = good | {
        "ISTHMUS_DATABASE_URL": f"mysql://app:{PASSWORD}@db/isthmus",
        "ISTHMUS_REGION": "nowhere",
        "ISTHMUS_API_BIND": "18000",
        "ISTHMUS_DATABSE_POOL": "5",
    }
    assert _violations(bad, require=("hub_name",)) == {
        "/database_url": "invalid",
        "/region": "invalid",
        "/api_bind": "invalid",
        "/databse_pool": "unknown_setting",
        "/hub_name": "missing",
    }


def test_a_hub_without_its_addresses_is_refused(good: dict[str, str]) -> None:
    assert _violations(good, require=HUB) == {f"/{name}": "missing" for name in HUB}


def test_files_that_are_not_there_are_named(good: dict[str, str]) -> None:
    assert _violations(good | {"ISTHMUS_MASTER_KEY_FILE": "/nowhere"}) == {"/master_key_file": "no_such_file"}


def test_a_file_is_read_and_the_environment_wins_over_it(good: dict[str, str], short: Path) -> None:
    file = short / "settings.toml"
    file.write_text('region = "eu-west-1"\nbase_domain = "mesh.example"\n')
    settings = Settings.load(good | {"ISTHMUS_SETTINGS": str(file), "ISTHMUS_REGION": "us-west-2"})
    assert (settings.region, settings.base_domain) == ("us-west-2", "mesh.example")


def test_an_unknown_key_in_a_file_is_refused(good: dict[str, str], short: Path) -> None:
    file = short / "settings.toml"
    file.write_text('regoin = "eu-west-1"\n')
    assert _violations(good | {"ISTHMUS_SETTINGS": str(file)}) == {"/regoin": "unknown_setting"}


@pytest.mark.parametrize("text", ["region = ", None], ids=["not TOML", "not there"])
def test_an_unreadable_file_is_refused(good: dict[str, str], short: Path, text: str | None) -> None:
    file = short / "settings.toml"
    if text is not None:
        file.write_text(text)
    assert _violations(good | {"ISTHMUS_SETTINGS": str(file)}) == {"": "unreadable_settings"}
