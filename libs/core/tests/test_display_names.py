import unicodedata

import pytest

from tenon_core.display_names import display_name, is_display_name, text_problem
from tenon_core.errors import InvalidArgument
from tenon_testing.names import INVALID, VALID


@pytest.mark.parametrize("name", VALID, ids=ascii)
def test_a_name_is_taken_as_it_is(name: str) -> None:
    assert display_name(name) == name


@pytest.mark.parametrize("name", INVALID.values(), ids=INVALID)
def test_a_name_that_hides_or_links_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        display_name(name, "title")
    (problem,) = refused.value.fields
    assert problem.pointer == "/title"
    assert problem.message.startswith("must ")
    assert not is_display_name(name)


def test_a_name_is_stored_in_one_form() -> None:
    decomposed = unicodedata.normalize("NFD", "\u00a0Jos\u00e9\u3000D\u00edaz\t")
    assert display_name(decomposed) == "Jos\u00e9 D\u00edaz"


def test_text_that_may_be_empty_follows_the_same_rules() -> None:
    assert text_problem("", 200) == ""
    assert text_problem("x" * 200, 200) == ""
    assert "200" in text_problem("x" * 201, 200)
    assert "web address" in text_problem("https://evil.example", 200)
