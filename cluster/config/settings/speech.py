"""Speech in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from cluster.config.consistency import speech_problems
from cluster.config.problems import Contradiction
from cluster.config.settings.section import Section


class SpeechSettings(Section):
    """Speech in and out, for realtime sessions and audio requests. Off: they are in writing."""

    enabled: bool = Field(True, description="Deploy recognizer and synthesizer.")
    recognizer: Literal["pocketsphinx", "whisper", "vllm"] = Field(
        "pocketsphinx",
        description="What turns speech into text. `pocketsphinx`: English, on the processor, from its own wheel. `whisper`: any "
        "checkpoint of Whisper's architecture, through transformers. `vllm`: any model that vLLM transcribes with (Whisper, "
        "Voxtral, Qwen3-ASR, …), by an engine of the replica's own. The model of the last two is `recognizer_model`.",
    )
    recognizer_model: str | None = Field(
        None,
        min_length=1,
        description="Folder with the recognizer's weights (relative to the current folder), or a Hugging Face repository id. For "
        "`whisper` and `vllm`, which have no default.",
    )
    recognizer_device: str = Field(
        "cpu",
        pattern=r"^(cpu|cuda(:\d+)?)$",
        description="Where `whisper` runs: `cpu`, `cuda` or `cuda:1`. `vllm` runs where its build does.",
    )
    recognizer_engine: dict[str, Any] = Field(
        default_factory=dict,
        description="Arguments of `vllm`, under its own names with underscores, as in `models[].engine`.",
    )
    synthesizer: Literal["auto", "flite", "espeak", "kokoro"] = Field(
        "auto",
        description="What turns text into speech. `flite`: six English presets, needs Debian's `libflite1`. `espeak`: the program "
        "`espeak-ng`, plainly a machine. `auto`: flite where it is installed, else espeak. `kokoro`: the network of that name in "
        "ONNX, named by `synthesizer_model`; needs `espeak-ng` for phonemes.",
    )
    synthesizer_model: str | None = Field(
        None,
        min_length=1,
        description="Folder with the synthesizer's network and voices (relative to the current folder), or a Hugging Face "
        "repository id. For `kokoro`, which has no default.",
    )
    synthesizer_file: str | None = Field(
        None,
        pattern=r"^[^/.][^/]*(/[^/.][^/]*)*$",
        description="ONNX file of `synthesizer_model`, where it has several; unset: `onnx/model.onnx`, or the only one.",
    )
    synthesizer_device: str = Field(
        "cpu",
        pattern=r"^(cpu|cuda(:\d+)?)$",
        description="Where `kokoro` runs: `cpu`, `cuda` or `cuda:1` (which take the package `onnxruntime-gpu`).",
    )
    synthesizer_threads: int = Field(2, ge=1, le=64, description="Processor threads for one clause of `kokoro`.")
    default_voice: str = Field("alloy", min_length=1, max_length=64, description="Voice of sessions that name none.")
    vad_model: Path | None = Field(
        None, description="ONNX file of Silero's voice activity network; unset: the one of the installed `silero-vad` wheel."
    )
    replicas: int = Field(1, ge=1, description="Replicas of the speech deployment.")
    num_cpus: float = Field(0.1, ge=0, description="Logical CPUs that Ray reserves for one replica.")
    num_gpus: float = Field(0.0, ge=0, description="GPUs that Ray reserves for one replica; less than 1 to share one.")
    resources: dict[str, float] = Field(default_factory=dict, description="Custom Ray resources for one replica.")
    max_ongoing_requests: int = Field(200, ge=1, description="Utterances, heard or spoken, that one replica works on at a time.")
    graceful_shutdown_timeout_s: float = Field(
        20.0, ge=0, description="How long a replica that is being replaced may finish its utterances, in seconds."
    )
    recognizer_workers: int = Field(
        2,
        ge=1,
        le=256,
        description="People who may speak at once on one replica: decoder processes of PocketSphinx (about 130 MiB each), or "
        "utterances that Whisper or vLLM works on at a time.",
    )
    synthesizer_workers: int = Field(
        1,
        ge=1,
        le=256,
        description="Synthesizer processes of one replica, or clauses that Kokoro works on at a time; each is lent for one clause.",
    )
    worker_wait_s: float = Field(10.0, gt=0, description="Longest wait for a free process, in seconds; then 503.")
    utterance_idle_timeout_s: float = Field(
        30.0, gt=0, description="After how long without audio an utterance that nobody ends is dropped, in seconds."
    )
    max_utterance_s: float = Field(120.0, gt=0, le=3600, description="Longest utterance to recognize, in seconds of audio.")
    max_text_chars: int = Field(4096, ge=1, le=1 << 20, description="Longest text to speak at once, in characters.")
    max_file_s: float = Field(1800.0, gt=0, description="Longest audio file to transcribe, in seconds of audio.")
    max_file_bytes: int = Field(25 << 20, ge=1024, description="Largest audio file to transcribe, in bytes.")
    upload_timeout_s: float = Field(120.0, gt=0, description="Longest wait for an audio file to arrive, in seconds.")
    max_recordings: int = Field(
        4,
        ge=1,
        description="Recordings (files, and audio in chats) that one gateway works on at a time; each takes up to `max_file_bytes` "
        "and 48,000 bytes a second of its audio. More wait for `worker_wait_s`, then get 503.",
    )
    max_recordings_per_organization: int = Field(
        4, ge=1, description="Recordings of one organization that one gateway works on or lets wait at a time; more get 429."
    )
    max_spoken_chats_per_organization: int = Field(
        32,
        ge=1,
        description="Chat requests of one organization with audio in them that one gateway works on at a time; more get 429.",
    )
    max_answer_chars: int = Field(
        16384,
        ge=1,
        le=1 << 20,
        description="Longest chat answer to speak that is not streamed, in characters (16,384: about 20 minutes, 50 MB of `wav`); "
        "it ends there, with the finish reason `length`.",
    )
    audio_id_ttl_s: int = Field(
        3600, ge=1, le=30 * 86400, description="How long the id of a spoken answer stands for its transcript, in seconds."
    )
    remembered_recordings: int = Field(
        1000,
        ge=0,
        description="Recordings in chats whose transcripts one gateway keeps in memory, by organization and digest, so that a "
        "conversation's earlier turns are not recognized again with each later one; 0: none.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> SpeechSettings:
        if problems := list(speech_problems(self)):
            raise Contradiction(problems)
        return self
