import unicodedata

import pytest

from tenon_core.email_addresses import (
    InvalidEmail,
    canonical_form,
    delivery_form,
    domain_of,
    parse_address,
    parse_domain,
    parse_new_address,
)
from tenon_testing.addresses import DELIVERED, INVALID, PAIRS, Pair


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_two_addresses_have_one_canonical_form_only_if_they_are_the_same(pair: Pair) -> None:
    first, second = pair.unique()
    assert (canonical_form(first) == canonical_form(second)) is pair.same
    assert (parse_address(first).canonical == parse_address(second).canonical) is pair.same


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_an_address_that_was_stored_is_still_the_same(pair: Pair) -> None:
    for address in pair.unique():
        stored = parse_new_address(address)
        assert parse_address(stored.display) == stored
        assert canonical_form(stored.delivery) == stored.canonical


@pytest.mark.parametrize(("address", "recipient"), DELIVERED.items())
def test_mail_goes_to_the_domain_that_was_typed(address: str, recipient: str) -> None:
    assert parse_address(address).delivery == recipient
    assert delivery_form(address) == recipient


@pytest.mark.parametrize("text", INVALID, ids=ascii)
def test_text_that_is_no_address_is_rejected(text: str) -> None:
    with pytest.raises(InvalidEmail) as refused:
        parse_address(text)
    (problem,) = refused.value.fields
    assert problem.pointer == "/email"
    assert problem.message
    assert isinstance(canonical_form(text), bytes)


@pytest.mark.parametrize("letter", ["a", "ü"])
def test_a_local_part_has_at_most_64_bytes(letter: str) -> None:
    longest = letter * (64 // len(letter.encode()))
    assert parse_new_address(f"{longest}@example.com").local == longest
    with pytest.raises(InvalidEmail) as refused:
        parse_new_address(f"{longest}{letter}@example.com")
    assert "64 bytes" in refused.value.fields[0].message
    assert parse_address(f"{longest}{letter}@example.com").local == longest + letter


def test_an_address_has_at_most_254_bytes() -> None:
    domain = ".".join(["d" * 60] * 4)
    local = "a" * (254 - len(domain) - 5)
    assert parse_new_address(f"{local}@{domain}.com")
    for too_long in (f"{local}a@{domain}.com", "a" * 1_000_000):
        with pytest.raises(InvalidEmail):
            parse_address(too_long)


def test_every_canonical_letter_is_its_own_canonical_form() -> None:
    """Else re-hashing a stored address could give another form than hashing what people type."""
    for number in range(0x110000):
        letter = chr(number)
        once = unicodedata.normalize("NFC", unicodedata.normalize("NFC", letter).lower())
        again = unicodedata.normalize("NFC", unicodedata.normalize("NFC", once).lower())
        assert once == again


def test_a_domain_has_one_form() -> None:
    assert parse_domain(" STRAßE.example ") == "xn--strae-oqa.example"
    assert domain_of("ada@straße.example") == "xn--strae-oqa.example"
    assert domain_of("ada") == ""
    for invalid in ("", "com", "a@example.com", "exam ple.com", "d" * 300 + ".com"):
        with pytest.raises(ValueError, match=r"[a-z]"):
            parse_domain(invalid)
