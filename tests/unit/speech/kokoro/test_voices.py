from __future__ import annotations

from cluster.speech.kokoro import voices


def test_a_missing_voice_has_the_nearest_one_stand_in() -> None:
    by_name = voices.by_client_name(["af_bella", "am_adam", "bf_emma"])
    assert by_name["coral"] == "af_bella", "it is there itself"
    assert by_name["nova"] == "af_bella", "another American woman"
    assert by_name["onyx"] == "am_adam"
    assert by_name["fable"] == "bf_emma", "no British man: the accent goes before"


def test_every_name_of_a_client_has_a_voice_even_with_one_at_hand() -> None:
    by_name = voices.by_client_name(["ef_dora", "jf_alpha"])
    assert set(by_name) == {*voices.OPENAI_NAMES, "ef_dora"}
    assert set(by_name.values()) == {"ef_dora"}


def test_of_stand_ins_different_names_take_different_ones() -> None:
    by_name = voices.by_client_name(["af_one", "af_two", "af_three"])
    assert len({by_name[name] for name in ("alloy", "coral", "marin", "nova", "sage", "shimmer")}) > 1


def test_voices_tell_what_they_are() -> None:
    (info,) = [info for info in voices.infos(voices.by_client_name(["bm_fable"])) if info.id == "fable"]
    assert (info.description, info.language) == ("Kokoro bm_fable, British English, man", "en")
