from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from cluster.config.settings.telemetry import LoggingSettings
from cluster.telemetry import logs
from cluster.telemetry.redaction import apply_rules, redact

SECRET = "sk-oss-AbCdEf0123456789_-xyz"
PROMPT = "my deepest secrets are these words"


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogRecordFactory(), sys.excepthook, threading.excepthook
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.setLogRecordFactory(before[2])
    sys.excepthook, threading.excepthook = before[3], before[4]
    logging.captureWarnings(False)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> logging.Logger:
    logs.configure(LoggingSettings(level="INFO"), "gateway", stream)
    return logging.getLogger("test.component")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_object(log: logging.Logger, stream: io.StringIO) -> None:
    log.info("replica %s is ready after %.1f s", "r1", 2.25, extra={"model": "m", "attempts": 3})
    [line] = lines(stream)
    time = datetime.fromisoformat(str(line.pop("time")))
    assert time.tzinfo == UTC
    assert abs((datetime.now(UTC) - time).total_seconds()) < 5
    assert line == {
        "level": "INFO",
        "logger": "test.component",
        "message": "replica r1 is ready after 2.2 s",
        "component": "gateway",
        "model": "m",
        "attempts": 3,
    }


def test_less_severe_records_are_left_out(log: logging.Logger, stream: io.StringIO) -> None:
    log.debug("detail")
    assert stream.getvalue() == ""


def test_records_carry_their_request(log: logging.Logger, stream: io.StringIO) -> None:
    with logs.bound(request_id="chatcmpl-1", org_id="org_1", replica="r1"):
        log.info("inside")
        with logs.bound(request_id="chatcmpl-2"):
            log.info("deeper")
    log.info("outside")
    inside, deeper, outside = lines(stream)
    assert (inside["request_id"], inside["org_id"], inside["replica"]) == ("chatcmpl-1", "org_1", "r1")
    assert (deeper["request_id"], deeper["org_id"]) == ("chatcmpl-2", "org_1")
    assert not {"request_id", "org_id", "replica"} & outside.keys()


async def test_concurrent_requests_keep_their_own_ids(log: logging.Logger, stream: io.StringIO) -> None:
    async def request(number: int) -> None:
        with logs.bound(request_id=str(number)):
            await asyncio.sleep(0.001 * (number % 3))
            await asyncio.create_task(asyncio.sleep(0))
            log.info("%d", number)

    await asyncio.gather(*(request(number) for number in range(20)))
    assert len(lines(stream)) == 20
    assert all(line["request_id"] == line["message"] for line in lines(stream))


def test_an_unknown_field_of_the_context_is_a_mistake() -> None:
    with pytest.raises(KeyError), logs.bound(requestid="x"):
        pass


def test_exceptions_come_with_their_traceback(log: logging.Logger, stream: io.StringIO) -> None:
    try:
        raise KeyError("lost")
    except KeyError:
        log.exception("failed")
    [line] = lines(stream)
    assert line["message"] == "failed"
    assert str(line["traceback"]).startswith("Traceback (most recent call last):\n")
    assert str(line["traceback"]).endswith("KeyError: 'lost'")


def test_extra_fields_cannot_replace_ours(log: logging.Logger, stream: io.StringIO) -> None:
    with logs.bound(org_id="org_1"):
        log.info("x", extra={"component": "fake", "org_id": "org_2", "level": "DEBUG"})
    [line] = lines(stream)
    assert (line["component"], line["org_id"], line["level"]) == ("gateway", "org_1", "INFO")


def test_text_is_one_line_whatever_the_message_and_its_fields(stream: io.StringIO) -> None:
    logs.configure(LoggingSettings(json_lines=False), "engine:m", stream)
    with logs.bound(request_id="chatcmpl-1"):
        extra = {"adapter": "a\r\n2026-01-01T00:00:00.000Z INFO gateway forged: field"}
        logging.getLogger("a.b").warning("first\n2026-01-01T00:00:00.000Z INFO gateway forged: %s", "record", extra=extra)
    text = stream.getvalue()
    assert text.splitlines() == [text.removesuffix("\n")]
    assert " WARNING engine:m a.b: first\\n2026" in text
    assert " request_id=chatcmpl-1 adapter=a\\r\\n2026" in text


def test_configuring_again_replaces_what_was(log: logging.Logger, stream: io.StringIO) -> None:
    second = io.StringIO()
    logs.configure(LoggingSettings(level="ERROR"), "gateway", second)
    log.info("not shown")
    log.error("shown")
    assert stream.getvalue() == ""
    assert [line["message"] for line in lines(second)] == ["shown"]


def test_warnings_and_uncaught_exceptions_are_records_too(log: logging.Logger, stream: io.StringIO) -> None:
    warnings.warn(f"deprecated {SECRET}", DeprecationWarning, stacklevel=1)
    error = RuntimeError(f"boom {SECRET}")
    sys.excepthook(RuntimeError, error, None)
    thread = threading.Thread(target=lambda: (_ for _ in ()).throw(error))
    thread.start()
    thread.join()
    found = lines(stream)
    assert [line["level"] for line in found] == ["WARNING", "CRITICAL", "CRITICAL"]
    assert SECRET not in stream.getvalue()
    assert "boom" in str(found[1]["traceback"])
    assert "boom" in str(found[2]["traceback"])


class Holder:
    def __repr__(self) -> str:
        return f"Holder(key='{SECRET}')"

    __str__ = __repr__


def _raise_with_cause() -> None:
    try:
        raise ValueError(f"bad key {SECRET}")
    except ValueError as error:
        raise RuntimeError("outer") from error


LEAKS = {
    "message": lambda log: log.info(f"key {SECRET}"),
    "argument": lambda log: log.info("key %s", SECRET),
    "named argument": lambda log: log.info("key %(key)s", {"key": SECRET}),
    "object": lambda log: log.info("got %s", Holder()),
    "repr of an object": lambda log: log.info("got %r", [Holder()]),
    "message object": lambda log: log.info(Holder()),
    "bytes": lambda log: log.info("got %s", SECRET.encode()),
    "put together": lambda log: log.info("%s%s", SECRET[:8], SECRET[8:]),
    "extra": lambda log: log.info("x", extra={"headers": {"authorization": f"Bearer {SECRET}"}}),
    "wrong format": lambda log: log.info("two %s %s", SECRET),
    "after underscore": lambda log: log.info(f"key_{SECRET}"),
    "url": lambda log: log.info(f"GET /v1/models?key={SECRET}&x=1"),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS.keys())
@pytest.mark.parametrize("json_lines", [True, False])
def test_a_secret_can_not_get_through(leak, json_lines: bool, stream: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    logs.configure(LoggingSettings(json_lines=json_lines), "gateway", stream)
    foreign = io.StringIO()
    handler = logging.StreamHandler(foreign)  # a library's own handler with a format of its own
    logger = logging.getLogger("library")
    logger.addHandler(handler)
    try:
        leak(logger)
    finally:
        logger.removeHandler(handler)
    captured = capsys.readouterr()
    for text in (stream.getvalue(), foreign.getvalue(), captured.out, captured.err):
        assert SECRET not in text
        assert SECRET[8:] not in text
    assert stream.getvalue() or "Logging error" in captured.err


def test_a_secret_in_a_chain_of_exceptions_can_not_get_through(log: logging.Logger, stream: io.StringIO) -> None:
    foreign = io.StringIO()
    handler = logging.StreamHandler(foreign)
    log.addHandler(handler)
    try:
        _raise_with_cause()
    except RuntimeError:
        log.exception("failed")
    finally:
        log.removeHandler(handler)
    for text in (stream.getvalue(), foreign.getvalue()):
        assert "bad key" in text
        assert SECRET not in text


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {}",
        "authorization: {}",
        "Proxy-Authorization: Basic {}",
        '{{"authorization": "Bearer {}"}}',
        "{{'Authorization': 'Bearer {}'}}",
        "(b'authorization', b'Bearer {}')",
        "[('authorization', '{}')]",
        "curl -H 'Authorization: Bearer {}'",
        "x-api-key: {}",
        "OPENAI_API_KEY={}",
        "api_key: '{}'",
        "bearer {}",
        "password={}",
        '{{\\"secret\\": \\"{}\\"}}',
    ],
)
@pytest.mark.parametrize("secret", ["hunter2hunter2", "abc.DEF-123_/+=="])
def test_credentials_are_taken_out_whatever_they_look_like(
    log: logging.Logger, stream: io.StringIO, text: str, secret: str
) -> None:
    log.info("before " + text.format(secret).replace("%", "%%") + " after")
    [line] = lines(stream)
    assert secret not in str(line["message"])
    assert str(line["message"]).startswith("before ")
    assert str(line["message"]).endswith(" after")
    assert redact(str(line["message"])) == line["message"]


def test_a_password_in_a_url_is_taken_out(log: logging.Logger, stream: io.StringIO) -> None:
    log.info("no connection to %s", "postgresql+asyncpg://ossature:hunter2%2F@db/ossature")
    assert lines(stream)[0]["message"] == "no connection to postgresql+asyncpg://ossature:[redacted]@db/ossature"


def test_a_prompt_quoted_by_validation_is_taken_out(log: logging.Logger, stream: io.StringIO) -> None:
    class Message(BaseModel):
        role: int

    with pytest.raises(ValidationError) as error:
        Message.model_validate({"role": PROMPT})
    log.error("invalid", exc_info=error.value)
    [line] = lines(stream)
    assert PROMPT not in stream.getvalue()
    assert "role" in str(line["traceback"])


@pytest.mark.parametrize(
    "text",
    [
        "risk-management of task-1234567",
        "prompt_tokens=1200 completion_tokens=7",
        "org_1 uses model gpt-oss-120b",
        "no secret here",
    ],
)
def test_other_text_stays_as_it_is(log: logging.Logger, stream: io.StringIO, text: str) -> None:
    log.info(text)
    assert lines(stream)[0]["message"] == text


def test_numbers_stay_numbers_for_formats(log: logging.Logger, stream: io.StringIO) -> None:
    log.info("%d requests in %.2f s, %s", 3, 0.5, None)
    assert lines(stream)[0]["message"] == "3 requests in 0.50 s, None"


_SIGNS = "Authorization proxy-authorization X-API-Key api_key PASSWORD pa\u017fsword secret \u212aey Bearer basic bas\u0131c sk-"
_AROUND = "SK- ek_ :// u:p@h input_value= , input_type= input_value : = ' \" b' abcdefgh 12345678 ordinary - _ / \u00e9"
_PIECES = st.sampled_from([" ", *f"{_SIGNS} {_AROUND}".split()])


@given(st.lists(_PIECES | st.text(max_size=3), max_size=12).map("".join))
def test_a_text_that_is_passed_at_a_glance_has_nothing_to_redact(text: str) -> None:
    assert redact(text) == apply_rules(text)
