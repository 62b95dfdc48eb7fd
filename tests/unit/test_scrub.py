"""What is taken out of a generator's training texts, and what stays."""

from collections import Counter

import pytest

from textapp.text.scrub import scrub


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.doe+films@mail.example.org!", "write to [email]!"),
        ("(a_b@c-d.co.uk)", "([email])"),
        ("josé@exämple.de, thanks", "[email], thanks"),
        ("see http://example.com/a?b=c#d.", "see [link]."),
        ("HTTPS://EXAMPLE.COM/x and www.example.de", "[link] and [link]"),
        ('<a href="http://t.co/x1">here</a>', '<a href="[link]">here</a>'),
        ("(from IMDB.com/title/tt0000001/)", "(from [link])"),
        ("it was on amazon.co.uk.", "it was on [link]."),
        ("ftp://u:p@host/file", "[link]"),
        ("call 212-555-0123 now", "call [phone] now"),
        ("1.212.555.0123", "[phone]"),
        ("(212) 555 0123", "[phone]"),
        ("+44 20 7946 0958, or", "[phone], or"),
        ("+49 (0) 30 1234567", "[phone]"),
        ("0044 20 7946 0958", "[phone]"),
        ("London 020 7946 0958.", "London [phone]."),
        ("(030) 123 4567", "[phone]"),
        ("电话13800138000。", "电话[phone]。"),
        ("Phone: 555-0123", "[phone]"),
        ("telephone 555-0123", "[phone]"),
        ("call 2125550123, or 12125550123", "call [phone], or [phone]"),
        ("text 07700900123.", "text [phone]."),
        ("138-0013-8000 or 138 0013 8000", "[phone] or [phone]"),
        ("01 23 45 67 89, 01.23.45.67.89", "[phone], [phone]"),
        ("Berlin: 030/1234567, 089 / 123456", "Berlin: [phone], [phone]"),
        ("+442079460958 and 00442079460958", "[phone] and [phone]"),
        ("me@163.com, x@mail.example.photography", "[email], [email]"),
    ],
)
def test_what_is_private_gets_a_placeholder(text, expected):
    assert scrub(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8/10, or 7.5/10; 10 out of 10",
        "In 1999 and 2001, 1939-1945, from 1990 to 2003 (1984) 1985 1986",
        "$1,000,000 or $ 25.99, £300 400 5000 and 3,000,000,000 people",
        "on 2001-09-11 and 11.09.2001, at 9:30 pm, 24/7",
        "555-0123 is in every film, and 007 is, too",
        "a run time of 100-120 minutes; 1 2 3 4 5 6 7 8 9 10",
        "pi is 3.14159265358979",
        "@someone said me@home",
        "the end.In the beginning ... e.g. this; Mr.Community rocks",
        "http: //, www. and .com are none",
        "ISBN 978-3-16-148410-0 and 12-345-678-9012",
        "20000 leagues, 1000000000000 dollars, 7000000000 people",
        "bought 3@4.50 each, 2@1.2.3",
        "+1000000 for this, +1234567",
        "Bond 007 1962 2012, 007 1962-2012",
        "ISBN 0306406152, isbn: 2070408507, 9783161484100",
        "part 0012345678, at 1600000000, 1234567890",
        "tracks 01 02 03 04 05, 05 06 07 08 09 10 11",
        "150 1999 2001, 01/1999 and 010/1999, 2001 2002 2003 2004",
    ],
)
def test_what_is_ordinary_stays(text):
    counts = Counter()
    assert scrub(text, counts) == text
    assert not counts


def test_each_kind_is_counted():
    texts = ["a@b.org, c@d.org", "http://a.org", "nothing", "212-555-0123"]
    counts = Counter()
    for text in texts:
        scrub(text, counts)
    assert counts == {"email": 2, "link": 1, "phone": 1}


@pytest.mark.parametrize(
    "part", ["a.", "a@", "a-", "0", "+1 ", "(0", "http://", "www.", "1-", "a@b.", "212-555-", "01 "]
)
def test_no_text_makes_it_slow(part):
    """What takes seconds here would take hours if a pattern went back and forth."""
    assert scrub(part * 100_000 + " www.a@b.com 2125550123")
