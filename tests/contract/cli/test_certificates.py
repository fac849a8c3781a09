"""Managed certificates by command: made, shown, replaced and deleted; no key in any output."""

from pathlib import Path

from tests.certificates import brought
from tests.contract.cli.conftest import Run


def files(folder: Path, *domains: str) -> tuple[Path, Path]:
    pair = brought(*domains)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(pair.chain)
    key.write_bytes(pair.key)
    return chain, key


def test_an_authority_is_made_and_a_certificate_requested_of_it(isthmus: Run) -> None:
    above = isthmus("certificate", "authority", "create", "Shop", "-o", "json").json
    assert (above["signs"], above["name"]) == (True, "Shop")
    made = isthmus(
        "certificate", "request", "shop.example", "*.shop.example", "--authority", above["arn"], "--days", 30
    )
    arn, *lines = made.out.splitlines()
    assert arn.startswith("arn:aws:acm:us-east-1:")
    assert "  state: pending" in lines
    assert "  domains: shop.example, *.shop.example" in lines
    found = isthmus("certificate", "get", arn, "-o", "json").json
    assert (found["life"], found["authority"]) == (30 * 86400, above["arn"])
    assert arn in isthmus("certificate", "list").out
    shown = isthmus("certificate", "authority", "get", above["id"])
    assert shown.out.endswith("-----END CERTIFICATE-----\n")
    refused = isthmus("certificate", "authority", "delete", above["arn"])
    assert (refused.code, "in_use" in refused.err) == (3, True)
    assert isthmus("certificate", "delete", arn).out == f"{arn} is deleted\n"
    assert isthmus("certificate", "authority", "delete", above["arn"], "-o", "json").json == {"deleted": above["arn"]}
    assert isthmus("certificate", "authority", "list", "-o", "json").json == {"items": []}


def test_one_is_imported_and_imported_again_under_its_arn(isthmus: Run, tmp_path: Path) -> None:
    chain, key = files(tmp_path, "shop.example")
    made = isthmus("certificate", "import", "--chain", chain, "--key", key, "-o", "json").json
    assert (made["state"], made["domains"]) == ("issued", ["shop.example"])
    files(tmp_path, "new.example")
    again = isthmus("certificate", "import", "--chain", chain, "--key", key, "--again", made["arn"], "-o", "json").json
    assert (again["arn"], again["domains"], again["generation"]) == (made["arn"], ["new.example"], 2)
    every = isthmus("certificate", "list", "-o", "json").out + isthmus("certificate", "get", made["id"]).out
    assert "PRIVATE" not in every


def test_what_is_wrong_is_said_where(isthmus: Run, tmp_path: Path) -> None:
    chain, _ = files(tmp_path)
    refused = isthmus("certificate", "import", "--chain", chain, "--key", chain)
    assert (refused.code, "/imported/private_key" in refused.err) == (1, True)
    wild = isthmus("certificate", "acme", "*.shop.example")
    assert (wild.code, "/acme/domains/0" in wild.err) == (1, True)


def test_one_is_ordered_by_acme_and_roots_are_brought_along(isthmus: Run, tmp_path: Path) -> None:
    made = isthmus("certificate", "acme", "shop.example", "-o", "json").json
    assert (made["source"], made["state"], made["directory"].startswith("https://")) == ("acme", "pending", True)
    own = isthmus("certificate", "authority", "create", "Shop", "-o", "json").json
    (tmp_path / "roots.pem").write_text(own["roots"])
    brought_along = isthmus("certificate", "authority", "import", "theirs", "--roots", tmp_path / "roots.pem")
    assert "  name: theirs" in brought_along.out
    assert isthmus("certificate", "authority", "list").out.splitlines()[1].split()[1:3] in (
        ["Shop", "yes"],
        ["theirs", "no"],
    )
