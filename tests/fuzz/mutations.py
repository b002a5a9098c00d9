"""Bytes that a reader may meet: valid files with a few things wrong, and rubbish.

A mutation flips a bit, cuts, inserts, swaps lines, or puts something that readers trip over in
place of a word (a name, a number, a value) or anywhere.
"""

import re

from hypothesis import strategies as st

TOKENS = (
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\r", b"\r\n", b"\n", b"\n\n", b"\t", b"\x1b[2J"),
    *(
        b'"',
        b"'",
        b'""',
        b",",
        b";",
        b"|",
        b"\\",
        b"/",
        b"../",
        b"/etc/passwd",
        b"a\nb",
        b"\\ud800",
    ),
    *(b"nan", b"NaN", b"inf", b"-Infinity", b"1e400", b"-1", b"0", b"2.0", b"-0", b"1_0", b"0x10"),
    *(b"9" * 25, b"7" * 5000, b"4294967296", b"9223372036854775808", b"id", b"path", b"label"),
    *(b"null", b"true", b"[]", b"{}", b"[" * 400, b'{"a":' * 400, b"[" * 100_000, b'"epoch"'),
    *(b"\xff", b"\x80", b"\xc3", b"\xed\xa0\x80", b"\\udcff", "١²".encode(), "\u2028".encode()),
    *(b"=cmd|'/C calc'!A0", b"<script>", b"x" * 3000, b"A" * 140_000, b"\x7f\xff\xff\xff"),
    *(b"\0" * 600, b"\x80\x04cos\nsystem\n(S'true'\ntR.", b"|O8", b"PK\x03\x04", b"\xff" * 8),
)
_KINDS = ("flip", "cut", "insert", "swap", "splice", "word", "word", "move", "double", "head")
_TIMES = (0, 1, 1, 1, 1, 2, 2, 3, 6)
_WORD = re.compile(rb'"[^"\n]{0,40}"|[\w.+-]{1,40}|\[[^\[\]]{0,60}\]')
_place = st.integers(0, 2**31)
_mutation = st.tuples(st.sampled_from(_KINDS), _place, _place, st.binary(max_size=8))


@st.composite
def files(draw, valid: tuple[bytes, ...]) -> bytes:
    """One of the `valid` files, mutated up to six times; now and then wholly random bytes."""
    if draw(st.integers(0, 29)) == 0:
        return draw(st.binary(max_size=300))
    data, times = draw(st.sampled_from(valid)), draw(st.sampled_from(_TIMES))
    for kind, place, other, rubbish in draw(st.lists(_mutation, min_size=times, max_size=times)):
        data = _mutated(data, kind, place, other, rubbish)
    return data


def _mutated(data: bytes, kind: str, place: int, other: int, rubbish: bytes) -> bytes:
    at, token = place % (len(data) + 1), TOKENS[other % len(TOKENS)]
    if kind == "flip" and data:
        at = place % len(data)
        return data[:at] + bytes([data[at] ^ 1 << other % 8]) + data[at + 1 :]
    if kind == "cut":
        return data[:at] + data[at + other % 12 :]
    if kind == "head":
        return data[:at]
    if kind == "insert":
        return data[:at] + rubbish + data[at:]
    if kind == "swap":
        return _swapped(data, b"\n", place, other)
    if kind == "double":
        return data[: at + other % 64] + data[at:]
    if kind in ("word", "move") and (words := list(_WORD.finditer(data))):
        here, there = (words[number % len(words)] for number in (place, other))
        new = token if kind == "word" else there[0]
        return data[: here.start()] + new + data[here.end() :]
    return data[:at] + token + data[at + (len(token) if other % 3 else 0) :]


def _swapped(data: bytes, mark: bytes, one: int, other: int) -> bytes:
    lines = data.split(mark)
    one, other = one % len(lines), other % len(lines)
    lines[one], lines[other] = lines[other], lines[one]
    return mark.join(lines)
