"""What we sign says what it should, and a signer that signs anything else is found out before it leaves us."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from isthmus.errors import Invalid
from isthmus.pki import authority, bundle, chain, issue, link_ca, rules, template, verify
from isthmus.pki.signer import Issuer, KeySigner
from isthmus.pki.template import PrivateKey, Template
from isthmus.values import AgentId
from tests.unit.pki.making import EAST, NOW, WEB, WEST, Liar, intermediate, key, link_root, lying, root

AGENT = AgentId(UUID(int=1), UUID(int=2), "a-0")
YEAR = timedelta(days=365)


def leaf(ca: Issuer, spiffe_id: str = WEB, **more: Any) -> x509.Certificate:  # noqa: ANN401 - issue.leaf's arguments
    return issue.leaf(ca, spiffe_id, key().public_key(), serial=9, now=NOW, **more)


def host(ca: Issuer) -> x509.Certificate:
    return issue.host(ca, EAST, "h1", key().public_key(), serial=9, now=NOW)


def test_a_leaf_is_an_x509_svid() -> None:
    made = leaf(intermediate(root()))
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    purposes = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert not list(made.subject)
    assert (names.critical, rules.uris(made)) == (True, [WEB])
    assert set(purposes) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert made.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert made.not_valid_after_utc == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("made", "life"),
    [
        (lambda: root().certificate, YEAR),
        (lambda: intermediate(root()).certificate, timedelta(days=7)),
        (
            lambda: issue.host(intermediate(root()), EAST, "h1", key().public_key(), serial=9, now=NOW),
            timedelta(days=1),
        ),
        (lambda: link_ca.agent(link_root(), AGENT, key().public_key(), serial=9, now=NOW), timedelta(days=1)),
    ],
    ids=["root", "intermediate", "host", "agent"],
)
def test_lifetimes(made: Callable[[], x509.Certificate], life: timedelta) -> None:
    assert made().not_valid_after_utc == NOW + life


def test_nothing_outlives_its_issuer() -> None:
    late = NOW + timedelta(days=6, hours=23, minutes=30)
    ca = intermediate(root())
    made = issue.leaf(ca, WEB, key().public_key(), serial=9, now=late)
    assert made.not_valid_after_utc == ca.certificate.not_valid_after_utc


def test_a_p384_root_signs_a_chain() -> None:
    top = root(curve=ec.SECP384R1())
    ca = intermediate(top)
    assert verify.svid([leaf(ca), ca.certificate], [top.certificate], now=NOW) == WEB


def test_an_agents_server_certificate_has_the_names_that_wardens_dial() -> None:
    made = issue.agent_server(
        intermediate(root()), EAST, "a-0", ["agent.local", "10.0.0.1"], key().public_key(), serial=9, now=NOW
    )
    assert rules.uris(made) == ["spiffe://east-1.acme.isthmus.internal/agent/a-0"]
    verify.host_names(made, ["10.0.0.1", "agent.local"])


# --- signers that lie


def without(*kinds: type[x509.ExtensionType]) -> Callable[[Template, PrivateKey], x509.Certificate]:
    """A builder that forgets extensions."""
    return _rewriting(lambda found: [(e, c) for e, c in found if not isinstance(e, kinds)])


def uncritical(*kinds: type[x509.ExtensionType]) -> Callable[[Template, PrivateKey], x509.Certificate]:
    """A builder that marks these as ignorable."""
    return _rewriting(lambda found: [(e, c and not isinstance(e, kinds)) for e, c in found])


def adding(more: x509.ExtensionType) -> Callable[[Template, PrivateKey], x509.Certificate]:
    """A builder that replaces an extension or adds one."""
    return _rewriting(lambda found: [*((e, c) for e, c in found if type(e) is not type(more)), (more, True)])


def _rewriting(change: Callable[[Any], Any]) -> Callable[[Template, PrivateKey], x509.Certificate]:
    def forge(asked: Template, signer: PrivateKey) -> x509.Certificate:
        subject = template._subject(asked)  # noqa: SLF001 - a sabotaged copy of the builder
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(asked.issuer.subject if asked.issuer else subject)
            .public_key(asked.public_key)
            .serial_number(asked.serial)
            .not_valid_before(asked.not_before)
            .not_valid_after(asked.not_after)
        )
        for extension, critical in change(template._extensions(asked)):  # noqa: SLF001
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256())

    return forge


def by_another_key(asked: Template, signer: PrivateKey) -> x509.Certificate:
    return template.build(asked, key())


def weakly_hashed(asked: Template, signer: PrivateKey) -> x509.Certificate:
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).public_key(asked.public_key)
    assert asked.issuer
    builder = builder.issuer_name(asked.issuer.subject).serial_number(asked.serial)
    builder = builder.not_valid_before(asked.not_before).not_valid_after(asked.not_after)
    for extension, critical in template._extensions(asked):  # noqa: SLF001
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA224())


EVERY_USE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)

LEAF_LIES: dict[str, dict[str, Any]] = {
    "CA:TRUE": {"path_length": 0},
    "another node": {"uris": (EAST.node("shop", "bank"),)},
    "another trust domain": {"uris": (WEST.node("shop", "web"),)},
    "two identities": {"uris": (WEB, EAST.node("shop", "bank"))},
    "no identity": {"uris": (), "names": ("web.local",)},
    "no alternative name": {"uris": ()},
    "no path": {"uris": ("spiffe://east-1.acme.isthmus.internal",)},
    "a dot segment": {"uris": ("spiffe://east-1.acme.isthmus.internal/mesh/../node/web",)},
    "an escaped dot segment": {"uris": ("spiffe://east-1.acme.isthmus.internal/mesh/%2e%2e/node/web",)},
    "an upper-case domain": {"uris": ("spiffe://EAST-1.acme.isthmus.internal/mesh/shop/node/web",)},
    "a trailing slash": {"uris": (WEB + "/",)},
    "a name more": {"names": ("evil.local",)},
    "a subject": {"common_name": "web"},
    "a longer life": {"not_after": NOW + timedelta(hours=2)},
    "a life beyond its issuer's": {"not_after": NOW + timedelta(days=30)},
    "not begun": {"not_before": NOW + timedelta(minutes=1)},
    "servers only": {"client": False},
    "clients only": {"server": False},
    "no purposes": {"client": False, "server": False},
    "another key": {"public_key": key().public_key()},
    "a P-521 key": {"public_key": key(ec.SECP521R1()).public_key()},
    "signed by another key": {"forge": by_another_key},
    "signed over SHA-224": {"forge": weakly_hashed},
    "an ignorable name": {"forge": uncritical(x509.SubjectAlternativeName)},
    "an ignorable key usage": {"forge": uncritical(x509.KeyUsage)},
    "no key usage": {"forge": without(x509.KeyUsage)},
    "may sign certificates": {"forge": adding(EVERY_USE)},
    "no authority key id": {"forge": without(x509.AuthorityKeyIdentifier)},
    "an extension more": {"forge": adding(x509.OCSPNoCheck())},
    "any purpose": {"forge": adding(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]))},
}


@pytest.mark.parametrize("lie", LEAF_LIES.values(), ids=LEAF_LIES.keys())
def test_a_leaf_that_says_something_else_never_leaves(lie: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="just signed breaks the rules"):
        leaf(lying(intermediate(root()), **lie))


CA_LIES: dict[str, dict[str, Any]] = {
    "room for another CA": {"path_length": 1},
    "not a CA": {"path_length": None},
    "another trust domain": {"uris": (f"spiffe://{WEST.text}",)},
    "an identity with a path": {"uris": (WEB,)},
    "two identities": {"uris": (f"spiffe://{EAST.text}", f"spiffe://{WEST.text}")},
    "no identity": {"uris": ()},
    "no name": {"common_name": ""},
    "for servers": {"server": True},
    "another key": {"public_key": key().public_key()},
    "a longer life": {"not_after": NOW + 2 * YEAR},
    "signed by another key": {"forge": by_another_key},
    "an ignorable CA mark": {"forge": uncritical(x509.BasicConstraints)},
    "every use": {"forge": adding(EVERY_USE)},
    "no subject key id": {"forge": without(x509.SubjectKeyIdentifier)},
}


@pytest.mark.parametrize("lie", CA_LIES.values(), ids=CA_LIES.keys())
def test_an_intermediate_that_says_something_else_never_leaves(lie: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="just signed breaks the rules"):
        intermediate(lying(root(), **lie))


@pytest.mark.parametrize(
    "lie",
    [{"path_length": 0}, {"path_length": 2}, {"uris": (f"spiffe://{WEST.text}",)}, {"forge": by_another_key}],
    ids=["no room", "too much room", "another trust domain", "signed by another key"],
)
def test_a_root_that_says_something_else_never_leaves(lie: dict[str, Any]) -> None:
    changed = {name: value for name, value in lie.items() if name != "forge"}
    with pytest.raises(AssertionError, match="just signed breaks the rules"):
        authority.create(Liar(key(), changed, lie.get("forge", template.build)), EAST, serial=1, now=NOW)


@pytest.mark.parametrize(
    "lie",
    [
        {"uris": (AgentId(UUID(int=9), UUID(int=2), "a-0").uri(),)},
        {"uris": (AGENT.uri("evil.internal"),)},
        {"uris": ("spiffe://isthmus.internal/other",)},
        {"server": True},
        {"path_length": 0},
        {"not_after": NOW + YEAR},
    ],
    ids=["another org", "another installation", "no agent", "servers too", "CA:TRUE", "a longer life"],
)
def test_an_agents_certificate_that_says_something_else_never_leaves(lie: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        link_ca.agent(lying(link_root(), **lie), AGENT, key().public_key(), serial=9, now=NOW)


@pytest.mark.parametrize(
    "lie",
    [{"client": True}, {"uris": (AGENT.uri(),)}, {"names": ("evil.local",)}, {"server": False}],
    ids=["clients too", "an agent's identity", "other names", "not for servers"],
)
def test_a_hubs_certificate_that_says_something_else_never_leaves(lie: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="just signed breaks the rules"):
        link_ca.server(lying(link_root(), **lie), ["hub.local"], key().public_key(), serial=9, now=NOW)


def test_the_link_ca_names_no_replica_that_is_a_path() -> None:
    with pytest.raises(Invalid):
        link_ca.agent(link_root(), AgentId(UUID(int=1), UUID(int=2), "a/../b"), key().public_key(), serial=9, now=NOW)


# --- what is shown to us


def test_a_root_of_one_domain_proves_nothing_in_another() -> None:
    """In every position: as the leaf's issuer, as the intermediate's, and with both roots at hand."""
    east, west = root(EAST), root(WEST)
    for_west = intermediate(west, WEST)
    forged = Issuer(for_west.signer, for_west.certificate)
    with pytest.raises(AssertionError):
        leaf(forged, WEB)
    rogue = KeySigner(key())
    life = (5, NOW, NOW + timedelta(days=1))
    stolen = (f"spiffe://{EAST.text}",)
    crossed = west.signer.issue(
        Template(rogue.public_key, *life, west.certificate, common_name="x", uris=stolen, path_length=0)
    )
    made = rogue.issue(Template(key().public_key(), *life, crossed, uris=(WEB,), server=True, client=True))
    for roots in ([east.certificate], [west.certificate], [east.certificate, west.certificate]):
        with pytest.raises(chain.Untrusted):
            verify.svid([made, crossed], roots, now=NOW)


def test_an_intermediate_cannot_make_another() -> None:
    top = root()
    ca = intermediate(top)
    second = KeySigner(key())
    with pytest.raises(AssertionError):
        issue.intermediate(ca, EAST, "a-1", second.public_key, serial=3, now=NOW)
    forged = ca.signer.issue(
        Template(
            second.public_key,
            3,
            NOW,
            NOW + timedelta(days=1),
            ca.certificate,
            common_name="x",
            uris=(f"spiffe://{EAST.text}",),
            path_length=0,
        )
    )
    made = issue.leaf(Issuer(second, forged), WEB, key().public_key(), serial=9, now=NOW)
    with pytest.raises(chain.Untrusted, match="path length"):
        verify.svid([made, forged, ca.certificate], [top.certificate], now=NOW)


@pytest.mark.parametrize(
    ("later", "holds"),
    [(timedelta(0), True), (timedelta(minutes=59), True), (timedelta(minutes=61), False), (-timedelta(hours=1), False)],
    ids=["now", "at its end", "after its end", "before its beginning"],
)
def test_a_chain_holds_while_it_is_valid(later: timedelta, holds: bool) -> None:  # noqa: FBT001
    top = root()
    ca = intermediate(top)
    shown = [leaf(ca), ca.certificate]
    if holds:
        assert verify.svid(shown, [top.certificate], now=NOW + later) == WEB
    else:
        with pytest.raises(chain.Untrusted):
            verify.svid(shown, [top.certificate], now=NOW + later)


def test_a_wardens_certificate_is_for_its_host_only() -> None:
    top = root()
    ca = intermediate(top)
    shown = [host(ca), ca.certificate]
    assert verify.svid(shown, [top.certificate], now=NOW, spiffe_id=EAST.host("h1")) == EAST.host("h1")
    with pytest.raises(chain.Untrusted, match="not spiffe"):
        verify.svid(shown, [top.certificate], now=NOW, spiffe_id=EAST.host("h2"))


def test_a_thousand_mutated_certificates_are_refused_in_our_own_words() -> None:
    """One byte changed anywhere; one in ten stays whole, and must pass."""
    random, top = Random(7), root()
    ca = intermediate(top)
    whole, passed, refused = chain.to_der(leaf(ca)), 0, 0
    for turn in range(1000):
        der = bytearray(whole)
        if turn % 10:
            der[random.randrange(len(der))] ^= random.randrange(1, 256)
        try:
            verify.svid([*chain.parse_der([bytes(der)]), ca.certificate], [top.certificate], now=NOW)
            passed += 1
        except chain.Untrusted:
            refused += 1
    assert (passed, refused) == (100, 900)


# --- bundles


def test_a_bundle_is_read_back_and_named_by_its_content() -> None:
    first, second = root().certificate, root().certificate
    made = bundle.Bundle.of(EAST, [first, second])
    assert made == bundle.Bundle.of(EAST, [second, first, first])
    assert bundle.Bundle.of_pem(EAST, made.pems).version == made.version != bundle.Bundle.of(EAST, [first]).version


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (lambda: root(WEST).certificate, "other_trust_domain"),
        (lambda: leaf(intermediate(root())), "not_a_ca"),
    ],
    ids=["another domain's root", "a leaf"],
)
def test_what_does_not_belong_into_a_bundle(member: Callable[[], x509.Certificate], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        bundle.Bundle.of(EAST, [root().certificate, member()])
    assert refused.value.violations[0].code == code
