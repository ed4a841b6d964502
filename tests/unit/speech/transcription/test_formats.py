from __future__ import annotations

import pytest

from cluster.speech.contract import Transcript, Word
from cluster.speech.errors import UnsupportedAudio
from cluster.speech.transcription.formats import TranscriptFormat, json_body, srt, transcript_format, verbose_body, vtt
from cluster.speech.transcription.segments import Segment, Span, joined
from tests.openai_schema import SchemaOracle

SEGMENTS = [
    Segment(Span(0, 1_500), Transcript("good morning", "en", 1_500, (Word("good", 100, 700), Word("morning", 700, 1_400)), 0.9)),
    Segment(Span(3_661_042, 3_662_000), Transcript("bye", "en", 958, (Word("bye", 3_661_100, 3_661_900),))),
]
WHOLE = joined(SEGMENTS, 3_662_000)


def test_json_has_text_and_usage() -> None:
    body = json_body(WHOLE)
    assert body == {"text": "good morning bye", "usage": {"type": "duration", "seconds": 3_662}}
    assert not SchemaOracle.load().problems("CreateTranscriptionResponseJson", body)


def test_verbose_json_has_the_granularities_that_were_asked_for() -> None:
    body = verbose_body(WHOLE, SEGMENTS, words=True, with_segments=True)
    assert body["words"][1] == {"word": "morning", "start": 0.7, "end": 1.4}
    assert [(segment["id"], segment["start"], segment["end"], segment["text"]) for segment in body["segments"]] == [
        (0, 0.0, 1.5, "good morning"),
        (1, 3661.042, 3662.0, "bye"),
    ]
    assert (body["language"], body["duration"]) == ("english", 3662.0)
    assert not SchemaOracle.load().problems("CreateTranscriptionResponseVerboseJson", body)
    bare = verbose_body(WHOLE, SEGMENTS, words=False, with_segments=False)
    assert "words" not in bare
    assert "segments" not in bare


def test_srt_is_numbered_and_has_commas() -> None:
    assert srt(SEGMENTS) == ("1\n00:00:00,000 --> 00:00:01,500\ngood morning\n\n2\n01:01:01,042 --> 01:01:02,000\nbye\n\n")


def test_vtt_has_its_header_and_points() -> None:
    assert vtt(SEGMENTS) == ("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\ngood morning\n\n01:01:01.042 --> 01:01:02.000\nbye\n\n")


def test_of_silence_there_is_an_empty_transcript() -> None:
    silent = joined([], 2_000)
    assert json_body(silent)["text"] == ""
    assert silent.confidence is None
    assert verbose_body(silent, [], words=True, with_segments=True)["segments"] == []
    assert (srt([]), vtt([])) == ("", "WEBVTT\n\n")


@pytest.mark.parametrize("name", ["diarized_json", "xml", ""])
def test_another_format_is_refused_with_its_field(name: str) -> None:
    with pytest.raises(UnsupportedAudio) as refused:
        transcript_format(name)
    assert refused.value.param == "response_format"


def test_each_format_has_a_media_type() -> None:
    assert {kind.media_type.partition(";")[0] for kind in TranscriptFormat} == {"application/json", "text/plain", "text/vtt"}
