"""The e-mail address is the user name, whatever its case (R-171)."""

import pytest

from identity.domain.email import Email
from kit.errors import InvalidInput, Reason


def test_case_does_not_matter() -> None:
    assert Email.parse("Anna.Berzina@Example.COM") == Email.parse("anna.berzina@example.com")
    assert Email.parse("A@B.c").digest == Email.parse("a@b.C").digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a@",
        "@b",
        "no-at-sign",
        " a@b.c",
        "a@b.c ",
        "a b@c.d",
        "a@b.c\n",
        "a\x00@b.c",
        "a" * 250 + "@b.cd",
    ],
)
def test_what_no_address_can_be_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Email.parse(text, "administrator.email")
    assert refused.value.reason is Reason.INVALID_FIELD
    assert [violation.field for violation in refused.value.violations] == ["administrator.email"]
