"""Personal data: recognised by form, or by name and form, and never shown by value."""

from time import process_time

import pytest

from churnflow.modelling.personal import is_card, is_iban, masked, recognise
from churnflow.modelling.values import Present


def present(values: list[str]) -> Present:
    return Present({value: values.count(value) for value in dict.fromkeys(values)}, {}, len(values))


@pytest.mark.parametrize(
    ("name", "form", "kind", "severity"),
    [
        ("contact", "anna{}@example.org", "e-mail addresses", "warning"),
        ("x", "+49 30 1234{:03d}", "phone numbers", "warning"),
        ("x", "(555) 010-2{:03d}", "phone numbers", "warning"),
        ("mobile_no", "01701234{:03d}", "phone numbers", "warning"),
        ("x", "10.0.0.{}", "internet addresses", "warning"),
        ("x", "2001:db8::{:x}", "internet addresses", "warning"),
        ("x", "00:1b:44:11:3a:{:02x}", "internet addresses", "warning"),
        ("x", "{} Main Street", "postal addresses", "warning"),
        ("x", "Bahnhofstraße {}", "postal addresses", "warning"),
        ("home_address", "Flat {}, Somewhere", "postal addresses", "warning"),
        ("x", "219-09-{:04d}", "national identity numbers", "critical"),
        ("passport", "C01X{:05d}", "national identity numbers", "critical"),
    ],
)
def test_personal_data_is_recognised_by_its_form(name: str, form: str, kind: str, severity: str) -> None:
    found = recognise(name, present([form.format(row) for row in range(1, 60)]))
    assert found is not None
    assert (found.kind, found.severity) == (kind, severity)


@pytest.mark.parametrize("name", ["surname", "last_name", "Vorname", "CustomerName", "customer name"])
def test_names_are_recognised_by_the_name_of_the_column_and_their_form(name: str) -> None:
    names = ["Smith", "O'Neil", "Müller", "van Dyk", "Łukasz", "Garcia Lopez"]
    found = recognise(name, present([value.title() if value != "O'Neil" else value for value in names]))
    assert found is not None
    assert found.kind == "names of persons"
    assert recognise(name, present(["basic 1", "plus 2", "extra 3"])) is None


@pytest.mark.parametrize(
    "name", ["first_name", "FIRST NAME", "customerFirstName", "client.first_name", "fname", "given_name_2", "FirstName"]
)
@pytest.mark.parametrize("values", [["Anna", "Ben", "Xiu"], ["anna", "ben"], ["ANNA", "BEN"]])
def test_a_few_first_names_are_recognised_by_the_name_of_their_column(name: str, values: list[str]) -> None:
    found = recognise(name, present(values * 40))
    assert found is not None
    assert found.kind == "names of persons"


@pytest.mark.parametrize(
    "name",
    [
        *("plan_name", "product_name", "state_name", "cityName", "customer_plan_name", "last_plan_name", "brandname"),
        *("segment name", "first_product", "renamed", "file_name", "nombre_plan", "economy", "fname_code"),
    ],
)
def test_names_of_things_are_none_of_persons(name: str) -> None:
    assert recognise(name, present(["Basic", "Plus", "Family"] * 40)) is None
    assert recognise(name, present([f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[row]}lantis" for row in range(26)])) is None


def test_whole_names_are_recognised_by_their_first_names_alone() -> None:
    found = recognise(
        "x", present([f"{first} {'ABCDEFGHIJ'[row]}ox" for row in range(10) for first in ("Anna", "Peter")])
    )
    assert found is not None
    assert found.kind == "names of persons"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("name", ["Basic", "Plus", "Family"] * 20),
        ("plan_name", [f"Plan {letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]),
        ("phone_service", ["Yes", "No"] * 30),
        ("version", [f"1.{minor}" for minor in range(40)]),
        ("account", [str(4_000_000_000_000_000 + row * 7) for row in range(60)]),
        ("notes", [f"called on day {row}, said {row / 7}" for row in range(60)]),
        ("product_code", [f"AB{row:02d}CD" for row in range(60)]),
        ("amount", [f"{row * 1000003}" for row in range(60)]),
        ("empty", []),
    ],
)
def test_what_only_looks_a_little_like_personal_data_is_none(name: str, values: list[str]) -> None:
    assert recognise(name, present(values)) is None


def test_a_tenth_of_e_mail_addresses_among_other_values_is_enough() -> None:
    found = recognise("channel", present(["web", "shop"] * 4 + ["info@example.org"]))
    assert found is not None
    assert found.kind == "e-mail addresses"


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("4111 1111 1111 1111", True),
        ("5500-0000-0000-0004", True),
        ("378282246310005", True),
        ("4111 1111 1111 1112", False),
        ("9111111111111111", False),
        ("411111111111", False),
    ],
)
def test_a_card_number_is_one_by_its_check_digit(number: str, valid: bool) -> None:
    assert is_card(number) is valid


def test_columns_of_cards_and_bank_accounts_are_critical() -> None:
    cards = [f"4{row:014d}{digit}" for row in range(60) for digit in range(10) if is_card(f"4{row:014d}{digit}")]
    ibans = ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "FR1420041010050500013M02606"]
    assert all(map(is_iban, ibans))
    assert not is_iban("DE88370400440532013000")
    for values in (cards, ibans):
        found = recognise("x", present(values))
        assert found is not None
        assert found.severity == "critical"


def test_a_text_is_shown_without_the_personal_data_in_it() -> None:
    text = (
        "7,anna@example.org,4111 1111 1111 1111,4111 1111 1111 1112,DE89370400440532013000,+49 30 1234567,219-09-9999,x"
    )
    shown = masked(text)
    kinds = ("[e-mail address]", "[card number]", "4111 1111 1111 1112", "[IBAN]", "[phone number]", "[national id]")
    assert shown == f"7,{','.join(kinds)},x"


def test_a_long_text_is_looked_at_in_no_time() -> None:
    started = process_time()
    assert recognise("surname", present([f"A{'b' * 140}{row}!" for row in range(30)])) is None
    assert recognise("name", present([f"A{'b' * 95}!{row}" for row in range(30)])) is None
    assert len(masked("a" * 1_000_000)) == 1_000_000
    assert process_time() - started < 10


@pytest.mark.parametrize("name", ["Anna-Lena", "O'Neil", "Maria de la Cruz", "J. Smith", "Müller"])
def test_a_name_of_several_parts_is_one(name: str) -> None:
    assert recognise("surname", present([name] * 30 + [f"{name} {letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWX"]))
