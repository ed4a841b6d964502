from __future__ import annotations

import base64
import io
import json
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

from cluster.engine.contract import EngineRequest, Operation
from cluster.engine.vllm import audio_input, media
from cluster.engine.vllm.faults import BadPart


def sound(seconds: float, rate_hz: int, *, channels: int = 1, kind: str = "WAV") -> bytes:
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    samples = np.repeat((0.3 * np.sin(2 * np.pi * 440 * times))[:, None], channels, axis=1)
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=kind)
    return file.getvalue()


def part(audio: bytes | str, kind: str = "wav") -> dict[str, Any]:
    data = audio if isinstance(audio, str) else base64.b64encode(audio).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


def request(*parts: dict[str, Any], salt: str = "salt") -> EngineRequest:
    messages = [{"role": "system", "content": "Listen."}, {"role": "user", "content": list(parts)}]
    return EngineRequest(
        request_id="chatcmpl-1",
        operation=Operation.CHAT,
        body=msgspec.json.encode({"model": "m", "messages": messages}),
        stream=False,
        cache_salt=salt,
        org_tag="org",
    )


KINDS = {audio_input.PART: audio_input.decoder(16_000)}


def ready(given: EngineRequest) -> EngineRequest:
    return media.ready(given, KINDS)


def decoded(given: EngineRequest) -> list[dict[str, Any]]:
    content = json.loads(ready(given).body)["messages"][1]["content"]
    assert isinstance(content, list)
    return content


@pytest.mark.parametrize(
    "audio", [sound(1, 24_000), sound(1, 8_000), sound(1, 48_000, channels=2), sound(1, 24_000, kind="MP3")], ids=len
)
def test_audio_of_any_rate_reaches_the_model_at_its_own(audio: bytes) -> None:
    (only,) = decoded(request(part(audio)))
    samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(only["input_audio"]["data"])))
    assert rate_hz == 16_000
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(16_000, abs=2000)
    assert only["input_audio"]["format"] == "wav"


def test_other_parts_and_fields_stay_as_they_are() -> None:
    given = request({"type": "text", "text": "What is it?"}, part(sound(1, 16_000)))
    text, audio = decoded(given)
    assert text == {"type": "text", "text": "What is it?"}
    assert audio["type"] == "input_audio"
    assert json.loads(ready(given).body)["model"] == "m"
    assert ready(given).cache_salt == "salt"


def test_organizations_names_of_the_same_audio_differ() -> None:
    audio = part(sound(1, 16_000))
    (mine,), (again,), (theirs,) = (decoded(request(audio, salt=salt)) for salt in ("mine", "mine", "theirs"))
    assert mine["uuid"] == again["uuid"] != theirs["uuid"]
    assert mine["input_audio"] == theirs["input_audio"]


def test_a_name_that_the_caller_gives_is_not_taken() -> None:
    (only,) = decoded(request(part(sound(1, 16_000)) | {"uuid": "theirs"}))
    assert only["uuid"] != "theirs"


def test_next_to_no_audio_is_filled_up() -> None:
    (only,) = decoded(request(part(sound(0.001, 16_000))))
    assert len(base64.b64decode(only["input_audio"]["data"])) == 44 + 2 * 1600


@pytest.mark.parametrize(
    ("broken", "param"),
    [
        ("not base64!", "messages.1.content.1.input_audio.data"),
        ("", "messages.1.content.1.input_audio.data"),
        (b"no audio at all", "messages.1.content.1.input_audio"),
        (sound(1, 16_000)[:30], "messages.1.content.1.input_audio"),
    ],
    ids=["no base64", "empty", "no audio", "cut header"],
)
def test_what_is_no_audio_is_refused_with_its_place(broken: bytes | str, param: str) -> None:
    with pytest.raises(BadPart) as refused:
        ready(request({"type": "text", "text": "Hm."}, part(broken)))
    assert refused.value.param == param


def test_a_part_without_audio_is_refused() -> None:
    with pytest.raises(BadPart, match="base64 string"):
        ready(request({"type": "input_audio"}))


def test_more_audio_than_fits_into_ten_minutes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_input, "_MAX_S", 0.5)
    with pytest.raises(BadPart, match="longer than"):
        ready(request(part(sound(1, 16_000))))


def test_requests_without_audio_are_told_by_their_bytes() -> None:
    assert not media.has_media(request({"type": "text", "text": "hello"}), KINDS)
    assert media.has_media(request(part(b"x")), KINDS)
