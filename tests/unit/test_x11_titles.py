"""Titles as X11 programs write them: each is read whole, or said to be unreadable."""

from __future__ import annotations

import pytest

from pepys.record.adapters.x11.titles import read_title

PLAIN = [
    (b"Plain title", "Plain title"),
    ("Überweisung".encode("latin-1"), "Überweisung"),
    (b"\x1b-L" + "Банк".encode("iso8859-5"), "Банк"),
    (b"mail \x1b-F" + "Τράπεζα".encode("iso8859-7") + b" x", "mail Τράπεζα x"),
    (b"\x1b-A\xdc \x1b-B" + "ł".encode("iso8859-2"), "Ü ł"),
    (b"\x1b$(B" + bytes(b & 0x7F for b in "銀行".encode("euc_jp")) + b"\x1b(B ok", "銀行 ok"),
    (b"\x1b$)B" + "銀行".encode("euc_jp"), "銀行"),
    (b"\x1b$)A" + "银行".encode("gb2312"), "银行"),
    (b"\x1b$)C" + "은행".encode("euc_kr"), "은행"),
    (b"\x1b)I" + "ｷﾞﾝｺｳ".encode("shift_jis"), "ｷﾞﾝｺｳ"),
    (b"a \x1b%G" + "Банк 銀行".encode() + b"\x1b%@ \xfc", "a Банк 銀行 ü"),
    (b"\x1b%/2\x80" + bytes([0x80 + 11 + 4]) + b"iso8859-15\x02" + "€ ok".encode("iso8859-15") + b" x", "€ ok x"),
    (b"\x1b%/2\x80" + bytes([0x80 + 7 + 4]) + b"big5-0\x02" + "銀行".encode("big5"), "銀行"),
    (b"\x9b2]abc\x9b]", "abc"),
]


@pytest.mark.parametrize(("raw", "title"), PLAIN)
def test_compound_text_is_read(raw: bytes, title: str) -> None:
    assert read_title(raw, "COMPOUND_TEXT") == (title, True)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"secret\x1b$)G\xc4\xe3", "COMPOUND_TEXT"),  # a set that Python has no codec for
        (b"x\x1b%/2\x80\x90nobody-1\x02abcdefg", "COMPOUND_TEXT"),
        (b"x\x1b%/2\xff\xffiso8859-15\x02abc", "COMPOUND_TEXT"),
        (b"x\x1b%/2\x80\x84zlib\x02", "COMPOUND_TEXT"),
        (b"x\x1b", "COMPOUND_TEXT"),
        (b"\x1b$)B\xb6", "COMPOUND_TEXT"),
        (b"\x1b%G\xff\xfe", "COMPOUND_TEXT"),
        (b"Ba\xffnk", "UTF8_STRING"),
    ],
)
def test_what_cannot_be_read_is_said_to_be_unreadable(raw: bytes, kind: str) -> None:
    assert read_title(raw, kind)[1] is False


def test_other_kinds_of_text() -> None:
    assert read_title("Überweisung".encode("latin-1"), "STRING") == ("Überweisung", True)
    # Programs that take STRING for UTF-8 are many, and no text in Latin-1 looks like UTF-8.
    assert read_title("Überweisung".encode(), "STRING") == ("Überweisung", True)
    assert read_title("Überweisung".encode(), "UTF8_STRING") == ("Überweisung", True)
    assert read_title("Über".encode() + b"\0more", "UTF8_STRING") == ("Über", True)
    # Programs cut long titles off, some in the middle of a character.
    assert read_title("Bank Ü".encode()[:-1], "UTF8_STRING") == ("Bank ", True)
    assert read_title(b"", "COMPOUND_TEXT") == ("", True)
