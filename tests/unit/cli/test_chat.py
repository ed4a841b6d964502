"""`ossature chat`: one question, a conversation, and answers that go wrong."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.cli.answer import Answer
from cluster.cli.client import ClusterClient
from cluster.cli.conversation import converse, start
from cluster.cli.sse import events
from cluster.cli.target import Target
from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_cluster import API_KEY, FakeCluster
from tests.unit.fine_tuning.samples import data_url, picture


def test_one_question_prints_reasoning_answer_and_cost(run: Run, cluster: FakeCluster) -> None:
    result = run("chat", "hi")
    assert result.exit_code == 0
    assert result.stdout == "hm\n\nHello there\n"
    assert "2048 prompt tokens, 1024 cached · 3 answer tokens · first token" in result.stderr
    (body,) = cluster.chat_bodies()
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert (body["model"], body["stream"], body["stream_options"]) == ("first", True, {"include_usage": True})


def test_options_reach_the_request(run: Run, cluster: FakeCluster) -> None:
    run("chat", "hi", "--model", "second", "--system", "Be brief.", "--reasoning-effort", "low")
    (body,) = cluster.chat_bodies()
    assert (body["model"], body["reasoning_effort"]) == ("second", "low")
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_images_are_shown_with_the_question(run: Run, cluster: FakeCluster, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(picture())
    assert run("chat", "What is it?", "--image", str(file), "--image", "https://example.com/b.jpg").exit_code == 0
    (body,) = cluster.chat_bodies()
    *images, text = body["messages"][0]["content"]
    assert [part["image_url"]["url"] for part in images] == [data_url(picture()), "https://example.com/b.jpg"]
    assert text == {"type": "text", "text": "What is it?"}


@pytest.mark.parametrize(("content", "complaint"), [(None, "can't be read"), (b"no image", "none of JPEG, PNG, WEBP and GIF")])
def test_what_is_no_image_is_a_usage_error(
    run: Run, cluster: FakeCluster, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "a.png"
    if content is not None:
        file.write_bytes(content)
    result = run("chat", "hi", "--image", str(file))
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert cluster.chat_bodies() == []


def test_an_image_of_a_conversation_goes_with_one_question(run: Run, cluster: FakeCluster, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(picture())
    client = ClusterClient(Target(cluster.url, API_KEY, None, "a test"), admin=False)
    lines = iter([f"/image {file}", "/image nowhere.png", "What is it?", "And now?"])

    def read_line(prompt: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    with client:
        converse(start(client, None, None, None), read_line)
    first, second = cluster.chat_bodies()
    assert [part["type"] for part in first["messages"][0]["content"]] == ["image_url", "text"]
    assert second["messages"][0] == first["messages"][0], "the conversation goes on with what was shown"
    assert second["messages"][-1]["content"] == "And now?"


def test_json_holds_the_answer_its_usage_and_times(run: Run, cluster: FakeCluster) -> None:
    answer = json.loads(run("chat", "hi", "--json").stdout)
    assert (answer["model"], answer["content"], answer["reasoning"], answer["finish_reason"]) == (
        "first",
        "Hello there",
        "hm",
        "stop",
    )
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 1024
    assert answer["ttft_s"] > 0


@pytest.mark.parametrize("arguments", [("chat",), ("chat", "-")])
def test_a_question_can_be_piped(run: Run, cluster: FakeCluster, arguments: tuple[str, ...]) -> None:
    run(*arguments, stdin="from a pipe\n")
    assert cluster.chat_bodies()[0]["messages"][0]["content"] == "from a pipe"


def test_an_empty_pipe_is_a_usage_error(run: Run, cluster: FakeCluster) -> None:
    assert run("chat", stdin="\n").exit_code == 2
    assert cluster.requests == []


def test_an_unknown_model_names_the_known_ones(run: Run, cluster: FakeCluster) -> None:
    result = run("chat", "hi", "--model", "third")
    assert result.exit_code == 5
    assert "first, second" in result.stderr


def test_a_key_without_models_is_told_so(run: Run, cluster: FakeCluster) -> None:
    cluster.models = []
    assert run("chat", "hi").exit_code == 5


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("break-off", "broke off"),
        ("no-end", "broke off before its end"),
        ("error-event", "the engine died (engine_failed)"),
        ("bad-event", "no JSON object"),
    ],
)
def test_a_broken_stream_fails_after_what_had_arrived(run: Run, cluster: FakeCluster, fault: str, message: str) -> None:
    cluster.fault = fault
    result = run("chat", "hi")
    assert result.exit_code == 1
    assert "Hello there" in result.stdout
    assert message in result.stderr
    assert run("chat", "hi", "--json").stdout == ""


def test_tool_calls_are_shown(run: Run, cluster: FakeCluster) -> None:
    cluster.pieces = [{"tool_calls": [{"function": {"name": "order"}}]}, {"tool_calls": [{"function": {"arguments": '{"n": 1}'}}]}]
    assert 'order{"n": 1}' in run("chat", "hi").stdout


def test_an_answer_can_not_steer_the_terminal(run: Run, cluster: FakeCluster) -> None:
    cluster.pieces = [{"content": "a\x1b]0;title\x07b\x9b2J\u202ec"}, {"content": "ü→\n\tx\u202fy\u200dz"}]
    assert run("chat", "hi").stdout == "a]0;titleb2Jcü→\n\tx\u202fy\u200dz\n"


@given(st.lists(st.text(st.characters(exclude_characters="\r\n")).map(lambda text: text.removeprefix(" "))))
def test_events_come_out_as_they_went_in(payloads: list[str]) -> None:
    lines = [line for payload in payloads for line in (": comment", "event: x", f"data: {payload}", "")]
    assert list(events(lines)) == payloads


def test_several_data_lines_are_one_event_and_an_unfinished_one_is_none() -> None:
    assert list(events(["data: a", "data:b", "", "", "id: 1", "", "data: c"])) == ["a\nb"]


def test_unusual_line_separators_inside_an_answer_survive(run: Run, cluster: FakeCluster) -> None:
    cluster.pieces = [{"content": "a\u2028b\u0085c"}]
    assert json.loads(run("chat", "hi", "--json").stdout)["content"] == "a\u2028b\u0085c"


def test_speed_is_claimed_only_for_tokens_that_took_their_time() -> None:
    answer = Answer("m", usage={"completion_tokens": 1}, first_token_s=0.1, last_token_s=0.1)
    assert answer.tokens_per_s is None
    answer = Answer("m", usage={"completion_tokens": 11}, first_token_s=0.1, last_token_s=1.1)
    assert answer.tokens_per_s == pytest.approx(10)
    assert answer.summary().endswith("10 tok/s")
    answer = Answer("m", usage={"completion_tokens": 11}, first_token_s=0.1, last_token_s=0.1001)
    assert answer.tokens_per_s is None
    assert "tok/s" not in answer.summary()


# --- a conversation in a real terminal ------------------------------------------------------------------------------------


class Terminal:
    """A child process on a pseudo-terminal: type, and wait for what it shows."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def expect(self, text: str, timeout_s: float = 90) -> None:
        """Wait until ``text`` is shown, after whatever was expected before."""
        self._read_until(lambda: text in self.shown, text, timeout_s)
        self.shown = self.shown.partition(text)[2]

    def _read_until(self, done: Callable[[], bool], what: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what!r} was not shown; the screen has {self.shown!r}")
            if select.select([self._master], [], [], 0.1)[0]:
                self.shown += os.read(self._master, 65536).decode(errors="replace")


def _heed_ctrl_c() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from cluster.cli import main; main()", "chat"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env=env,
        start_new_session=True,
        preexec_fn=_heed_ctrl_c,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_conversation_remembers_stops_on_ctrl_c_and_ends_on_ctrl_d(cluster: FakeCluster, folder: Path) -> None:
    with terminal(folder) as screen:
        screen.expect("first answers.")
        screen.expect("> ")
        screen.type("one\n")
        screen.expect("Hello there")
        screen.expect("3 answer tokens")
        screen.expect("> ")
        screen.type("/model second\n")
        screen.expect("second answers from now on.")
        screen.type("two\n")
        screen.expect("3 answer tokens")
        last = cluster.chat_bodies()[-1]
        assert last["model"] == "second"
        assert [message["content"] for message in last["messages"]] == ["one", "Hello there", "two"]

        cluster.fault = "hang"
        screen.type("three\n")
        screen.expect("Hello there")
        screen.process.send_signal(signal.SIGINT)
        screen.expect("ended by Ctrl-C")
        assert cluster.hung_up.wait(5), "the generation is not paid for after Ctrl-C"

        cluster.fault = "500"
        screen.type("four\n")
        screen.expect("Error: internal error")
        cluster.fault = ""
        screen.type("/reset\n")
        screen.expect("Forgotten.")
        screen.type("/nonsense\n")
        screen.expect("There is no /nonsense")
        screen.type("/model third\n")
        screen.expect("there is no model 'third'")
        screen.type("/help\n")
        screen.expect("/reset")
        screen.type("five\n")
        screen.expect("3 answer tokens")
        assert [message["content"] for message in cluster.chat_bodies()[-1]["messages"]] == ["five"]
        screen.expect("> ")
        screen.type("\x04")
        assert screen.process.wait(10) == 0
