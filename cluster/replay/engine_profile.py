"""How fast a simulated engine is, and how much it holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """An engine step that computes prompt chunks of ``n`` tokens behind ``c`` cached or computed ones, and decodes ``d`` sequences

    with ``t`` tokens of context in all, takes

        step_ms + Σ (prefill_ms_per_token · n + attention_ms_per_pair · n · (c + n/2))
                + decode_ms_per_sequence · d + decode_ms_per_context_token · t.

    ``max_batched_tokens`` bounds a step's tokens, ``max_sequences`` those that run at a time, ``kv_tokens`` what the cache holds.
    ``retention_interval_tokens``: see :class:`~cluster.replay.kv_cache.KvCache`.
    """

    name: str
    step_ms: float
    prefill_ms_per_token: float
    attention_ms_per_pair: float
    decode_ms_per_sequence: float
    decode_ms_per_context_token: float
    max_batched_tokens: int = 8192
    max_sequences: int = 256
    kv_tokens: int = 1_600_000
    retention_interval_tokens: int | None = None


GPT_OSS_120B_H200 = EngineProfile(
    name="gpt-oss-120b-h200",
    # Prefill from published recompute times of one replica (78 ms at 2 K tokens, 250 at 8 K, 510 at 16 K, 1,173 at 32 K, 1,988 at
    # 48 K); decode from the bytes that a step reads: 5.1 B active parameters of 4 bits, and 36 KiB of keys and values a token.
    step_ms=8.0,
    prefill_ms_per_token=0.0265,
    attention_ms_per_pair=5.7e-7,
    decode_ms_per_sequence=0.1,
    decode_ms_per_context_token=7.5e-6,
    # 141 GB less weights and activations, at 36 KiB a token.
    kv_tokens=1_600_000,
    retention_interval_tokens=256,
)

PROFILES = {profile.name: profile for profile in (GPT_OSS_120B_H200,)}
