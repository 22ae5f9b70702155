"""What may be asked for, and what is refused before anything starts."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from harness.errors import InputError
from harness.job import (
    Job,
    Request,
    Target,
    compact_instant,
    default_as_of,
    iso_instant,
    parse_as_of,
    parse_import_package,
    parse_python,
    parse_request,
    parse_requests,
    split_requests,
)
from harness.parsing import parse_bytes, parse_count, parse_seconds
from tests.support.refusal import refused

NOW = datetime(2024, 6, 15, 13, 45, 30, 123456, tzinfo=UTC)

# id -> (what is typed, words of the message, words of the tip); FAULTS.md, Inputs, FRAMEWORK
NOT_REQUESTS = {
    "empty": ("", "no framework given", "name one"),
    "blanks": ("   ", "no framework given", "name one"),
    "one-equals-sign": ("torch=2.3.0", "not name==version", "did you mean torch==2.3.0?"),
    "one-equals-sign-and-blanks": ("torch = 2.3.0", "not name==version", "did you mean torch==2.3.0?"),
    "one-equals-sign-and-extras": ("jax[cuda]=0.4.26", "not name==version", "did you mean jax[cuda]==0.4.26?"),
    "no-version": ("torch==", "not name==version", "name==version"),
    "version-x": ("torch==2.x", "many versions", "exact version"),
    "version-star": ("torch==2.3.*", "many versions", "exact version"),
    "at-least": ("torch>=2", "not name==version", "did you mean torch==2?"),
    "compatible": ("torch~=2.3", "not name==version", "did you mean torch==2.3?"),
    "arbitrary-equality": ("torch===2.3.0", "not name==version", "did you mean torch==2.3.0?"),
    "two-clauses": ("torch==2.3.0,!=2.3.0", "more than one version clause", "exact version"),
    "shell-command": ("torch; rm -rf /", "torch; rm -rf /", "name==version"),
    "shell-command-without-path": ("torch; reboot", "torch; reboot", "name==version"),
    "command-substitution": ("$(shell id)", "$(shell id)", "name==version"),
    "back-ticks": ("`id`", "`id`", "name==version"),
    "direct-reference": ("torch @ file:///etc/passwd", "address or a path", "name==version"),
    "version-control": ("git+https://example.invalid/x.git", "address or a path", "name==version"),
    "path": ("../../etc", "address or a path", "name==version"),
    "option-with-file": ("-r /etc/passwd", "is an option", "name==version"),
    "option-with-address": ("--index-url=https://example.invalid", "is an option", "name==version"),
    "newline": ("torch==2.3.0\njax==0.4.26", "control character", "one request"),
    "newline-at-the-end": ("torch==2.3.0\n", "control character", "one request"),
    "nul": ("torch\0==2.3.0", "control character", "one request"),
    "cyrillic": ("t\u043erch==2.3.0", "U+043E (CYRILLIC SMALL LETTER O)", "ASCII"),
    "arabic-digits": ("torch==\u0662.\u0663", "U+0662 (ARABIC-INDIC DIGIT TWO)", "ASCII"),
    "line-separator": ("torch\u2028jax", "U+2028 (LINE SEPARATOR)", "ASCII"),
    "half-a-surrogate": ("torch\udc80", "U+DC80 (unnamed)", "ASCII"),
    "300-characters": ("t" * 300, "300 characters", "name==version"),
    "marker": ('torch==2.3.0; python_version < "3.12"', "environment marker", "the target decides"),
    "extra-marker": ("torch; extra == 'cuda'", "environment marker", "the target decides"),
    "markup": ("<script>==1", "<script>==1", "name==version"),
    "hash": ("torch==2.3.0 --hash=sha256:00", "not a version", "exact"),
    "two-requests-in-one": ("torch==2.3.0 jax==0.4.26", "not a version", "exact"),
    "no-name": ("==2.3.0", "not name==version", "name==version"),
    "no-extra": ("torch[]==2.3.0", "not the name of an extra", "name[extra]==version"),
    "bad-extra": ("torch[a;b]==2.3.0", "not the name of an extra", "name[extra]==version"),
    "open-bracket": ("torch[cuda==2.3.0", "not name==version", "name==version"),
    "version-is-a-word": ("torch==latest", "not a version", "exact"),
}


@pytest.mark.parametrize(("text", "message", "tip"), NOT_REQUESTS.values(), ids=NOT_REQUESTS)
def test_what_is_not_a_request_is_refused_with_what_was_wrong(text: str, message: str, tip: str) -> None:
    error = refused(InputError, parse_request, text)
    assert message in error.message
    assert tip in error.tip
    assert error.exit_code == 2


REQUESTS = {
    "plain": ("torch==2.3.0", "torch==2.3.0"),
    "newest": ("torch", "torch"),
    "normalised": ("Torch == 2.3", "torch==2.3"),
    "name-normalised": (" ONNXruntime__GPU==1.17.1 ", "onnxruntime-gpu==1.17.1"),
    "version-normalised": ("torch==v2.3.0RC1", "torch==2.3.0rc1"),
    "pre-release": ("torch==2.4.0rc1", "torch==2.4.0rc1"),
    "development-release": ("jax==0.4.26.dev20240401", "jax==0.4.26.dev20240401"),
    "post-release": ("torch==1.0-1", "torch==1.0.post1"),
    "epoch": ("torch==1!2.0", "torch==1!2.0"),
    "local": ("torch==2.3.0+cpu", "torch==2.3.0+cpu"),
    "extras": ("jax[CUDA12_pip, tpu ,tpu]==0.4.26", "jax[cuda12-pip,tpu]==0.4.26"),
}


@pytest.mark.parametrize(("text", "meant"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_is_normalised(text: str, meant: str) -> None:
    assert str(parse_request(text)) == meant


def test_a_request_keeps_name_version_and_sorted_extras() -> None:
    assert parse_request("Torch[b,a]==2.3.0") == Request("torch", Version("2.3.0"), ("a", "b"))
    assert parse_request("torch").version is None


@given(st.text(max_size=300) | st.text(alphabet="torch[],=.-_ 0123456789rc+!;<>~", max_size=40))
def test_no_text_raises_anything_but_an_input_error(text: str) -> None:
    try:
        request = parse_request(text)
    except InputError as error:
        assert error.message.isascii() and error.message.isprintable()
    else:
        assert parse_request(str(request)) == request


@given(
    name=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True),
    extras=st.lists(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True), max_size=3),
    version=st.none()
    | st.from_regex(r"([1-9]!)?[0-9]{1,4}(\.[0-9]{1,4}){0,3}(rc[0-9])?(\+cu[0-9]{3})?", fullmatch=True),
)
def test_a_well_formed_request_comes_back_from_its_own_text(name: str, extras: list[str], version: str | None) -> None:
    text = name + (f"[{','.join(extras)}]" if extras else "") + (f"=={version}" if version else "")
    request = parse_request(text)
    assert parse_request(str(request)) == request
    assert str(parse_request(str(request))) == str(request)


SPLITS = {
    "two": ("a==1 b==2", ["a==1", "b==2"]),
    "many-blanks": ("  a==1    b  ", ["a==1", "b"]),
    "blanks-around-equals": ("Torch == 2.3 jax==0.4", ["Torch==2.3", "jax==0.4"]),
    "blanks-in-extras": ("jax[ cuda12, tpu ]==0.4 torch", ["jax[ cuda12, tpu ]==0.4", "torch"]),
    "one-equals-sign": ("torch = 2.3.0 jax", ["torch=2.3.0", "jax"]),
    "empty": ("", [""]),
    "shell-command": ("torch; rm -rf /", ["torch; rm -rf /"]),
    "direct-reference": ("torch @ file:///etc/passwd", ["torch @ file:///etc/passwd"]),
    "range": ("torch >= 2", ["torch >= 2"]),
    "line-separator": ("torch\u2028jax", ["torch\u2028jax"]),
    "next-line": ("torch\x85jax", ["torch\x85jax"]),
}


@pytest.mark.parametrize(("text", "parts"), SPLITS.values(), ids=SPLITS)
def test_requests_are_split_at_blanks_that_separate(text: str, parts: list[str]) -> None:
    assert split_requests(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "torch; rm -rf /",
        "torch @ file:///etc/passwd",
        "-r /etc/passwd",
        "torch >= 2",
        "torch = 2",
        "",
        "torch\u2028jax",
    ],
)
def test_what_is_refused_whole_is_refused_when_split(text: str) -> None:
    refused(InputError, lambda: parse_requests(split_requests(text)))


@pytest.mark.parametrize("text", ["torch\njax", "torch\rjax", "torch\tjax", "torch\0", "torch\x7f"])
def test_control_characters_are_refused_when_split(text: str) -> None:
    assert "control character" in refused(InputError, split_requests, text).message


@given(st.text(max_size=60))
def test_splitting_raises_nothing_but_an_input_error(text: str) -> None:
    try:
        parts = split_requests(text)
    except InputError:
        return
    assert parts


def test_repeated_requests_count_once() -> None:
    assert [str(r) for r in parse_requests(["torch==2.3", "Torch == 2.3", "jax"])] == ["torch==2.3", "jax"]


def test_no_request_at_all_is_refused() -> None:
    assert "no framework given" in refused(InputError, parse_requests, []).message


AS_OF = {
    "date-is-the-end-of-that-day": ("2024-04-25", "2024-04-26T00:00:00Z"),
    "leap-day": ("2024-02-29", "2024-03-01T00:00:00Z"),
    "yesterday's-date": ("2024-06-14", "2024-06-15T00:00:00Z"),
    "today-is-the-last-full-hour": ("2024-06-15", "2024-06-15T13:00:00Z"),
    "instant": ("2024-04-25T12:30:00Z", "2024-04-25T12:30:00Z"),
    "instant-of-another-zone": ("2024-04-25T12:30:00+02:00", "2024-04-25T10:30:00Z"),
    "blanks-around": (" 2024-04-25 ", "2024-04-26T00:00:00Z"),
    "now": ("2024-06-15T13:45:30Z", "2024-06-15T13:45:30Z"),
}


@pytest.mark.parametrize(("text", "instant"), AS_OF.values(), ids=AS_OF)
def test_a_date_becomes_the_first_instant_that_no_longer_counts(text: str, instant: str) -> None:
    found = parse_as_of(text, NOW)
    assert iso_instant(found) == instant
    assert found.tzinfo is UTC and found <= NOW


NOT_DATES = {
    "empty": ("", "is empty"),
    "blanks": ("  ", "is empty"),
    "month-13": ("2024-13-01", "not a day of the calendar"),
    "february-30": ("2024-02-30", "not a day of the calendar"),
    "word": ("yesterday", "is not a date"),
    "today-as-a-word": ("today", "is not a date"),
    "day-first": ("25/04/2024", "is not a date"),
    "compact": ("20240425", "is not a date"),
    "arabic-digits": ("\u0662\u0660\u0662\u0664-04-25", "is not a date"),
    "tomorrow": ("2024-06-16", "in the future"),
    "far-future": ("9999-12-31", "in the future"),
    "future-instant": ("2024-06-15T13:46:00Z", "in the future"),
    "no-zone": ("2024-04-25T12:00:00", "no time zone"),
    "hour-25": ("2024-04-25T25:00:00Z", "is not a date"),
    "before-the-calendar": ("0001-01-01T00:00:00+14:00", "is not a date"),
    "after-the-calendar": ("9999-12-31T23:59:59-14:00", "in the future"),
    "newline": ("2024-04-25\n2024-04-26", "is not a date"),
}


@pytest.mark.parametrize(("text", "message"), NOT_DATES.values(), ids=NOT_DATES)
def test_what_is_not_a_past_date_is_refused(text: str, message: str) -> None:
    error = refused(InputError, parse_as_of, text, NOW)
    assert message in error.message
    assert error.tip


@given(st.text(max_size=40) | st.datetimes(timezones=st.timezones()).map(datetime.isoformat))
def test_a_date_raises_nothing_but_an_input_error(text: str) -> None:
    try:
        assert parse_as_of(text, NOW) <= NOW
    except InputError as error:
        assert error.message.isascii()


def test_now_means_the_last_full_hour_whatever_the_zone() -> None:
    assert default_as_of(NOW) == datetime(2024, 6, 15, 13, tzinfo=UTC)
    assert default_as_of(NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))) == datetime(
        2024, 6, 15, 13, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "python"), [("3.11", (3, 11)), ("3.9", (3, 9)), ("3.14", (3, 14)), ("cp312", (3, 12))]
)
def test_python_is_a_feature_release(text: str, python: tuple[int, int]) -> None:
    assert parse_python(text) == python


@pytest.mark.parametrize(
    "text", ["3.99", "3.8", "2.7", "4.0", "3.11.4", "3", "", "three", "3.\u0661\u0661", "-3.11", "3.011"]
)
def test_another_python_is_refused(text: str) -> None:
    assert "PYTHON=3.11" in refused(InputError, parse_python, text).tip


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        "1e9",
        "1000000000",
        "nan",
        "",
        "1.5",
        "five",
        "1_0",
        "\u0665",
        pytest.param("9" * 5000, id="5000-digits"),
    ],
)
def test_repeats_are_a_whole_number_in_range(text: str) -> None:
    error = refused(InputError, parse_count, text, name="repeats", low=1, high=100)
    assert "repeats" in error.message and "from 1 to 100" in error.message


def test_the_ends_of_a_range_are_in_it() -> None:
    assert [parse_count(text, name="repeats", low=1, high=100) for text in ("1", "100", " 7 ")] == [1, 100, 7]


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e400", "", "soon", "86401", "\u0661"])
def test_a_timeout_is_a_number_of_seconds_above_zero(text: str) -> None:
    assert "timeout" in refused(InputError, parse_seconds, text, name="timeout").message


def test_a_timeout_may_be_a_fraction() -> None:
    assert parse_seconds("0.5", name="timeout") == 0.5


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GiB", 8 * 2**30),
        ("500MB", 500_000_000),
        ("100000000", 10**8),
        ("1.5 g", 1_500_000_000),
        ("64mib", 64 * 2**20),
    ],
)
def test_memory_is_a_size(text: str, size: int) -> None:
    assert parse_bytes(text, name="memory") == size


@pytest.mark.parametrize(
    "text",
    [
        "lots",
        "",
        "-1GB",
        "nan",
        "8 bytes",
        "1TBB",
        "63MiB",
        "0",
        "1e9",
        "999999\u212aiB",
        pytest.param("9" * 400, id="400-digits"),
    ],
)
def test_what_is_no_usable_memory_is_refused(text: str) -> None:
    error = refused(InputError, parse_bytes, text, name="memory")
    assert "memory" in error.message and error.tip


@given(st.text(alphabet="0123456789.kmgibKMGIB ", max_size=30) | st.text(max_size=20))
def test_a_size_raises_nothing_but_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        assert parse_bytes(text, name="memory") >= 64 * 2**20


@pytest.mark.parametrize("text", ["sklearn", "google.protobuf", "_private", "torch2"])
def test_an_import_package_is_a_dotted_name(text: str) -> None:
    assert parse_import_package(text) == text


@pytest.mark.parametrize("text", ["", "os; import x", "a-b", "a..b", ".a", "1a", "a.", "t\u043erch", "a\n"])
def test_what_python_could_not_import_is_refused(text: str) -> None:
    refused(InputError, parse_import_package, text)


def test_a_job_names_its_lock_and_its_results_by_what_they_depend_on() -> None:
    request = parse_request("jax[cuda12,tpu]==0.4.26")
    job = Job(request, Target((3, 11)), "pypi", datetime(2024, 4, 26, tzinfo=UTC), "pip", "venv")
    assert job.lock_key == "jax+cuda12+tpu-0.4.26-cp311-linux_x86_64-pypi-20240426T000000Z"
    assert job.slug == f"{job.lock_key}-venv-pip"
    assert replace(job, installer="uv", engine="docker").lock_key == job.lock_key
    assert replace(job, variant="cpu").lock_key != job.lock_key


def test_instants_are_written_in_utc_without_fractions() -> None:
    moment = NOW.astimezone(timezone(timedelta(hours=-3)))
    assert (iso_instant(moment), compact_instant(moment)) == ("2024-06-15T13:45:30Z", "20240615T134530Z")
