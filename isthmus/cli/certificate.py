"""`isthmus certificate …`: managed certificates and authorities, which listeners and clients name by their ARNs."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.output import Form, Output, show_json, show_table

Ref = Annotated[str, typer.Argument(metavar="ARN", help="the ARN, or the id at its end")]
Domains = Annotated[list[str], typer.Argument(metavar="DOMAIN...", help="www.example.com, *.example.com")]
Region = Annotated[str | None, typer.Option(help="the ARN's region; default: the API's")]
Account = Annotated[str | None, typer.Option(help="the ARN's account; default: the org's first")]
Days = Annotated[int | None, typer.Option(min=1, max=3650, help="how long it lives")]

_DAY = 86400
_CERTIFICATES, _AUTHORITIES = "/certificates", "/certificate-authorities"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Managed certificates: requested, imported, or fetched by ACME.", no_args_is_help=True)
    app.add_typer(group, name="certificate")
    _add(group, request, import_, acme, listing, get, delete)
    above = typer.Typer(help="Managed authorities: who signs requests, and whom clients trust.", no_args_is_help=True)
    group.add_typer(above, name="authority")
    _add(above, authority_create, authority_import, authority_list, authority_get, authority_delete)


def _add(group: typer.Typer, *commands: Callable[..., None]) -> None:
    """Each under the last word of its name; `list` and `import` are Python's own."""
    for command in commands:
        word = command.__name__.removeprefix("authority_").strip("_")
        group.command("list" if word == "listing" else word)(command)


def request(
    domains: Domains,
    authority: Annotated[str, typer.Option(help="the managed authority that signs it")],
    days: Days = None,
    region: Region = None,
    account: Account = None,
    output: Output = Form.TABLE,
) -> None:
    """Request a certificate of a managed authority; it renews itself at two thirds of its life (13 months)."""
    said = {"domains": domains, "authority": authority, "life": days and days * _DAY}
    _made(_CERTIFICATES, {"requested": _given(said, region, account)}, output)


def import_(
    chain: Annotated[Path, typer.Option(exists=True, help="PEM, the leaf first")],
    key: Annotated[Path, typer.Option(exists=True, help="the leaf's key, PEM without a password")],
    again: Annotated[str | None, typer.Option(metavar="ARN", help="replace what is under this ARN")] = None,
    region: Region = None,
    account: Account = None,
    output: Output = Form.TABLE,
) -> None:
    """Import a certificate with its key, or the successor of one: who imports renews."""
    from isthmus.cli import urls
    from isthmus.cli.client import Client

    pair = {"chain": chain.read_text(), "private_key": key.read_text()}
    if again is None:
        _made(_CERTIFICATES, {"imported": _given(pair, region, account)}, output)
        return
    with Client.found() as client:
        _show(client.put(f"{_CERTIFICATES}/{urls.part(again)}", pair, {"If-Match": "*"}), output)


def acme(
    domains: Domains,
    directory: Annotated[
        str | None, typer.Option(help="the ACME authority's directory; default: the first known")
    ] = None,
    region: Region = None,
    account: Account = None,
    output: Output = Form.TABLE,
) -> None:
    """Have one fetched by ACME: the org's virtual gateways answer for the domains, which must lead to them."""
    _made(_CERTIFICATES, {"acme": _given({"domains": domains, "directory": directory}, region, account)}, output)


def listing(output: Output = Form.TABLE) -> None:
    """List the org's certificates."""
    rows = _listed(_CERTIFICATES)
    if output is Form.JSON:
        show_json({"items": rows})
        return
    cells = [(r["arn"], r["source"], r["state"], ",".join(r["domains"]), r["not_after"]) for r in rows]
    show_table(("ARN", "SOURCE", "STATE", "DOMAINS", "ENDS"), cells)


def get(certificate: Ref, output: Output = Form.TABLE) -> None:
    """Show one certificate: its state, why it is in it, and when it ends."""
    _show(_read(_CERTIFICATES, certificate), output)


def delete(certificate: Ref, output: Output = Form.TABLE) -> None:
    """Forget a certificate that no mesh names, with its key."""
    _gone(_CERTIFICATES, certificate, output)


def authority_create(
    name: Annotated[str, typer.Argument(help="its common name")],
    days: Days = None,
    region: Region = None,
    account: Account = None,
    output: Output = Form.TABLE,
) -> None:
    """Make an authority with a key of its own, which never leaves the control plane."""
    said = {"name": name, "life": days and days * _DAY}
    _made(_AUTHORITIES, {"made": _given(said, region, account)}, output)


def authority_import(
    name: Annotated[str, typer.Argument(help="what to call it")],
    roots: Annotated[Path, typer.Option(exists=True, help="PEM, one root or a few")],
    region: Region = None,
    account: Account = None,
    output: Output = Form.TABLE,
) -> None:
    """Bring roots along, to be trusted by ARN."""
    said = {"name": name, "roots": roots.read_text()}
    _made(_AUTHORITIES, {"imported": _given(said, region, account)}, output)


def authority_list(output: Output = Form.TABLE) -> None:
    """List the org's managed authorities."""
    rows = _listed(_AUTHORITIES)
    if output is Form.JSON:
        show_json({"items": rows})
        return
    cells = [(r["arn"], r["name"], "yes" if r["signs"] else "no", r["not_after"]) for r in rows]
    show_table(("ARN", "NAME", "SIGNS", "ENDS"), cells)


def authority_get(authority: Ref, output: Output = Form.TABLE) -> None:
    """Show one authority; its roots, for who is to trust it, are printed last."""
    found = _read(_AUTHORITIES, authority)
    _show(found, output)
    if output is not Form.JSON:
        typer.echo(found["roots"], nl=False)


def authority_delete(authority: Ref, output: Output = Form.TABLE) -> None:
    """Forget an authority that nobody trusts and nothing is renewed by."""
    _gone(_AUTHORITIES, authority, output)


def _given(said: dict[str, Any], region: str | None, account: str | None) -> dict[str, Any]:
    """What was said, and nothing else."""
    return {name: value for name, value in (said | {"region": region, "account": account}).items() if value}


def _made(path: str, body: dict[str, Any], output: Form) -> None:
    from isthmus.cli.client import Client

    with Client.found() as client:
        _show(client.post(path, body), output)


def _read(path: str, ref: str) -> Any:  # noqa: ANN401 - JSON
    from isthmus.cli import urls
    from isthmus.cli.client import Client

    with Client.found() as client:
        return client.get(f"{path}/{urls.part(ref)}")


def _listed(path: str) -> list[Any]:
    from isthmus.cli.client import Client

    with Client.found() as client:
        return list(client.listed(path))


def _gone(path: str, ref: str, output: Form) -> None:
    from isthmus.cli import urls
    from isthmus.cli.client import Client

    with Client.found() as client:
        gone = client.delete(f"{path}/{urls.part(ref)}")
    if output is Form.JSON:
        show_json(gone)
    else:
        typer.echo(f"{ref} is deleted")


def _show(found: dict[str, Any], output: Form) -> None:
    """The ARN comes first on a line of its own, for `$(… | head -1)`."""
    if output is Form.JSON:
        show_json(found)
        return
    typer.echo(found["arn"])
    said = ("state", "reason", "warning", "domains", "name", "source", "authority", "not_after", "renew_at")
    for field in said:
        if found.get(field) is not None:
            value = found[field]
            typer.echo(f"  {field}: {', '.join(value) if isinstance(value, list) else value}")
