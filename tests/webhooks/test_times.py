"""The one reader of times, whatever form a provider writes them in."""

import json
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from msgstate_server.webhooks.providers.times import microseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST, LAST = 946_684_800_000_000, 4_133_980_799_999_999
"""The first microsecond of 2000 and the last one of 2100."""
SAMPLE = 1_727_431_826_041_502
"""2024-09-27T10:10:26.041502Z"""

derandomized = settings(derandomize=True, deadline=None, max_examples=200)
moments = st.integers(FIRST, LAST)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)


def at(moment: int, offset: int = 0) -> datetime:
    """The moment in a time zone that is so many minutes ahead of UTC."""
    return (EPOCH + moment * MICROSECOND).astimezone(timezone(timedelta(minutes=offset)))


def written_offset(offset: int, separator: str) -> str:
    """An offset in minutes as +02:00 or +0200."""
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}{separator}{minutes:02}"


@derandomized
@example(moment=FIRST, scale=6)
@example(moment=LAST, scale=-3)
@given(moment=moments, scale=st.sampled_from([6, 3, 0, -3]))
def test_a_number_counts_the_unit_that_its_magnitude_tells(moment: int, scale: int) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds are read exactly, as numbers and as strings."""
    number = moment // 10**scale if scale > 0 else moment * 10**-scale
    expected = number * 10**scale if scale > 0 else moment

    assert microseconds(number) == expected
    assert microseconds(str(number)) == expected
    assert microseconds(f" {number}.0 ") == expected


@derandomized
@given(moment=moments, scale=st.sampled_from([6, 3]), more=st.text("0123456789", max_size=40))
def test_a_decimal_fraction_is_read_exactly_and_cut_to_the_microsecond(moment: int, scale: int, more: str) -> None:
    """A string of seconds or milliseconds keeps all of its microseconds, and drops what is finer."""
    whole, fraction = divmod(moment, 10**scale)

    assert microseconds(f"{whole}.{fraction:0{scale}}{more}") == moment


@derandomized
@given(moment=moments)
def test_a_float_is_read_as_its_shortest_decimal(moment: int) -> None:
    """A float gives the microsecond that its shortest decimal writes, also in a body, where it stays text."""
    seconds = moment / 1_000_000
    whole, _, fraction = repr(seconds).partition(".")

    assert microseconds(seconds) == int(whole) * 1_000_000 + int(fraction.ljust(6, "0")[:6])
    assert microseconds(msgspec.json.Decoder(float_hook=str).decode(json.dumps(seconds))) == microseconds(seconds)


@derandomized
@given(moment=moments, offset=offsets, separator=st.sampled_from("T t"), zone=st.sampled_from(["", ":"]))
def test_iso_8601_is_read_with_any_offset(moment: int, offset: int, separator: str, zone: str) -> None:
    """A date and time with an offset, with or without a colon, is read exactly."""
    written = at(moment, offset).strftime(f"%Y-%m-%d{separator}%H:%M:%S.%f")

    assert microseconds(written + written_offset(offset, zone)) == moment
    assert microseconds(f"{written} {written_offset(offset, zone)}") == moment


@derandomized
@given(moment=moments, mark=st.sampled_from(".,"), more=st.text("0123456789", max_size=20), zone=st.sampled_from("Zz"))
def test_iso_8601_is_cut_to_the_microsecond(moment: int, mark: str, more: str, zone: str) -> None:
    """A fraction of any length, behind a point or a comma, is read, and what is finer is dropped."""
    written = at(moment).strftime(f"%Y-%m-%dT%H:%M:%S{mark}%f{more}")

    assert microseconds(written + zone) == moment
    assert microseconds(written) == moment
    assert microseconds(written.rstrip("0").rstrip(mark) + "+00") == moment


@derandomized
@given(moment=moments, offset=offsets)
def test_rfc_2822_is_read(moment: int, offset: int) -> None:
    """A date as in the header of an email is read to the second."""
    moment -= moment % 1_000_000

    assert microseconds(format_datetime(at(moment, offset))) == moment
    assert microseconds(format_datetime(at(moment), usegmt=True)) == moment


@pytest.mark.parametrize(
    "written",
    [
        "2024-09-27T12:10:26.041502+02:00",
        "2024-09-27T12:10:26.041502+0200",
        "2024-09-27T12:10:26.041502+02",
        "2024-09-27 10:10:26.041502",
        "2024-09-27 10:10:26.041502 UTC",
        "2024-09-27 12:10:26,041502999 +0200",
        "20240927T101026.041502Z",
        "  2024-09-27T10:10:26.041502Z\n",
        "1.727431826041502e9",
        "0.1727431826041502e+10",
        "1727431826041502999e-3",
        1727431826.041502,
        1727431826041.502,
    ],
)
def test_a_time_may_be_written_in_many_ways(written: Any) -> None:
    """All common forms of one time give the same microsecond."""
    assert microseconds(written) == SAMPLE


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2024-09-27", 1_727_395_200_000_000),
        ("2024-09-27T10:10Z", 1_727_431_800_000_000),
        ("Fri, 27 Sep 2024 12:10:26 +0200", 1_727_431_826_000_000),
        ("27 sep 2024 10:10:26 GMT", 1_727_431_826_000_000),
        ("Fri, 27 Sep 2024 06:10:26 EDT", 1_727_431_826_000_000),
        ("Fri, 27 Sep 2024 10:10:26 -0000 (UTC)", 1_727_431_826_000_000),
        ("Fri, 27 Sep 2024 10:10 +0000", 1_727_431_800_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_a_date_may_be_coarse_or_far_away(written: str, time: int) -> None:
    """A date without a time, seconds or fraction is read, and so is every date from 1970 to 9999."""
    assert microseconds(written) == time


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, "", " ", [], [SAMPLE], {}, {"time": SAMPLE}),
        *(0, 1, -1, -SAMPLE, 10**5_000, "9" * 5_000, "1" * 13 + "e999", 1e300, float("nan"), float("inf")),
        *(FIRST // 10**6 - 1, LAST // 10**6 + 1, FIRST - 1, LAST + 1, FIRST * 1_000 - 1, (LAST + 1) * 1_000),
        *("yesterday", "now", "12:00", "2024", "2024-13-01", "2024-02-30", "2024-09-27T25:00:00Z", "1969-12-31"),
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2024-09-27T10:10:26+24:00", "2024-09-27 -10"),
        *("Fri, 27 Sep 2024 10:10:26", "Fri, 27 Sep 2024 10:10:26 XYZ", "Fri, 31 Feb 2024 10:10:26 GMT"),
        *("Fri, 27 Sep 2024 10:10:26 +9999", "27 Foo 2024 10:10:26 GMT", "١٧٢٧٤٣١٨٢٦", "1727431826\0", "\ud800"),
    ],
    # Python refuses to write the longest of the numbers.
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_time_is_none(value: Any) -> None:
    """Anything that is not a time, or a number outside of the years 2000 to 2100 in every unit, gives None."""
    assert microseconds(value) is None


@settings(derandomize=True, deadline=None, max_examples=500)
@given(value=values | st.text("0123456789-+:., TZUCGMeE") | st.from_regex(r"[0-9]{4}-.*", fullmatch=True))
def test_no_value_makes_the_reader_fail(value: Any) -> None:
    """Every JSON value and every text gives a time of the years 1970 to 9999, or None."""
    time = microseconds(value)

    assert time is None or 0 <= time < 253_402_300_800_000_000
