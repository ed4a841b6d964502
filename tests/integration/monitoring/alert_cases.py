"""What each alert must fire on and what it must let pass, as series of promtool's notation (``0+6x60``: 60 steps of 6 from 0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NODE = 'instance="a:9464",job="ossature"'
TTFT_ALL = f'ossature_time_to_first_token_seconds_count{{{NODE},model="m",edge="http"}}'
TTFT_IN_TIME = f'ossature_time_to_first_token_seconds_bucket{{{NODE},model="m",edge="http",le="5.0"}}'
INGRESS = f"ossature_ingress_up{{{NODE}}}"
READY = f'ossature_replicas_ready{{{NODE},model="m"}}'
READY_THERE = READY.replace("a:", "b:")
WAITING = f'vllm:num_requests_waiting{{{NODE},model_name="m",engine="0",replica="0"}}'
PROMPT = f'ossature_tokens_total{{{NODE},org="o",model="m",edge="http",kind="prompt"}}'
CACHED = f'ossature_tokens_total{{{NODE},org="o",model="m",edge="http",kind="cached"}}'
FREE = f"ossature_data_folder_free_bytes{{{NODE}}}"
SIZE = f"ossature_data_folder_size_bytes{{{NODE}}}"
MODEL = {"model": "m"}
INSTANCE = {"instance": "a:9464"}
TARGET = INSTANCE | {"job": "ossature"}


def failed(code: str, series: str) -> dict[str, str]:
    return {f'ossature_errors_total{{{NODE},code="{code}",edge="http",model="m"}}': series}


def requests(series: str) -> dict[str, str]:
    return {f'ossature_requests_total{{{NODE},org="o",model="m",edge="http",code="ok"}}': series}


def counter(name: str, labels: str, series: str) -> dict[str, str]:
    return {f"{name}{{{NODE},{labels}}}": series}


def buckets(name: str, labels: str, **bounds: str) -> dict[str, str]:
    """``bounds``: series by upper bound, with `_` for the dot and ``inf``."""
    prefix = f"{labels}," if labels else ""
    texts = {bound.removeprefix("le_").replace("_", "."): series for bound, series in bounds.items()}
    return {f'{name}_bucket{{{NODE},{prefix}le="{"+Inf" if le == "inf" else le}"}}': series for le, series in texts.items()}


@dataclass(frozen=True, slots=True)
class Case:
    """At minute ``at`` the alert fires for ``labels`` with ``value`` in its text, or doesn't (``labels`` is ``None``).

    ``step``: between the series' samples and between evaluations.
    """

    alert: str
    what: str
    series: Mapping[str, str]
    at: int
    labels: Mapping[str, str] | None = None
    value: str = ""
    step: str = "1m"

    def __str__(self) -> str:
        return f"{self.alert}: {self.what}"


CASES: tuple[Case, ...] = (
    Case(
        "OssatureCrossOrganizationHit",
        "one hit",
        counter("ossature_cross_org_hits_total", 'model="m"', "0x10 1x10"),
        12,
        MODEL,
    ),
    Case("OssatureCrossOrganizationHit", "none since", counter("ossature_cross_org_hits_total", 'model="m"', "0x5 1x60"), 40),
    Case("OssatureModelWithoutReplica", "none for minutes", {READY: "2x5 0x10"}, 10, MODEL),
    Case("OssatureModelWithoutReplica", "none for a moment", {READY: "2x5 0x0 2x10"}, 8),
    Case("OssatureModelWithoutReplica", "none since the start", {READY: "0x10"}, 10, MODEL),
    Case(
        "OssatureModelWithoutReplica", "one gateway of two sees none any more", {READY: "2x30", READY_THERE: "2x5 0x25"}, 20, MODEL
    ),
    Case("OssatureModelWithoutReplica", "it loads in a second cluster", {READY: "2x60", READY_THERE: "_x20 0x40"}, 40),
    Case("OssatureNoGateway", "no series at all", {f"up{{{NODE}}}": "1x10"}, 5, {}),
    Case("OssatureNoGateway", "a gateway", {READY: "1x10"}, 5),
    Case("OssatureGatewayDown", "its node still there", {READY: "1x10 stale", f"up{{{NODE}}}": "1x60"}, 20, INSTANCE),
    Case("OssatureGatewayDown", "its node taken away", {READY: "1x10 stale", f"up{{{NODE}}}": "1x10 stale"}, 20),
    Case("OssatureGatewayDown", "a node that never had one", {f"up{{{NODE}}}": "1x60", READY.replace("a:", "b:"): "1x60"}, 20),
    Case("OssatureIngressDown", "HAProxy is dead", {READY: "1x60", INGRESS: "1x10 0x20"}, 20, TARGET),
    Case("OssatureIngressDown", "it was started again at once", {READY: "1x60", INGRESS: "1x10 0x0 1x20"}, 13),
    Case("OssatureIngressDown", "its gateways are gone as well", {READY: "1x10 stale", INGRESS: "1x10 0x20"}, 20),
    Case("OssatureIngressDown", "a node that never had one", {READY: "1x60", INGRESS: "0x60"}, 20),
    Case(
        "OssatureMetricsEndpointDown",
        "ours",
        {f"up{{{NODE}}}": "1x10 0x20", f'ossature_build_info{{{NODE},version="1"}}': "1x10 stale"},
        20,
        TARGET,
    ),
    Case("OssatureMetricsEndpointDown", "somebody else's", {'up{instance="db",job="db"}': "1x5 0x30", READY: "1x40"}, 20),
    Case(
        "OssatureEngineDeaths", "again and again", counter("ossature_engine_deaths_total", 'model="m"', "0+1x60"), 60, MODEL, "30"
    ),
    Case("OssatureEngineDeaths", "two", counter("ossature_engine_deaths_total", 'model="m"', "0x5 1x2 2x60"), 20),
    Case("OssatureErrors", "a tenth fails", failed("engine_failed", "0+6x60") | requests("0+60x60"), 30, {}, "0.10"),
    Case("OssatureErrors", "callers' own faults", failed("invalid_request", "0+60x60") | requests("0+60x60"), 30),
    Case("OssatureErrors", "one in a hundred", failed("engine_failed", "0+6x60") | requests("0+600x60"), 30),
    Case("OssatureErrors", "one failed request at night", failed("engine_failed", "0x20 1x40") | requests("0x20 1x40"), 25),
    Case(
        "OssatureKeysNotChecked",
        "the database is away",
        counter("ossature_authentication_failures_total", 'reason="unavailable"', "0+60x20"),
        15,
        {},
        "1.00",
    ),
    Case(
        "OssatureKeysNotChecked", "wrong keys", counter("ossature_authentication_failures_total", 'reason="unknown"', "0+60x20"), 15
    ),
    Case(
        "OssatureTtftBurnRateHigh", "nearly all slow for an hour", {TTFT_ALL: "0+10x80", TTFT_IN_TIME: "0+1x80"}, 70, MODEL, "90%"
    ),
    Case(
        "OssatureTtftBurnRateHigh",
        "over by now",
        {TTFT_ALL: "0+10x120", TTFT_IN_TIME: "0+1x60 70+10x60"},
        100,
    ),
    Case("OssatureTtftBurnRateHigh", "within the objective", {TTFT_ALL: "0+100x120", TTFT_IN_TIME: "0+97x120"}, 100),
    Case("OssatureTtftBurnRateHigh", "no request at all", {TTFT_ALL: "100x120", TTFT_IN_TIME: "10x120"}, 100),
    Case(
        "OssatureTtftBurnRateElevated",
        "a fifth slow for a day",
        {TTFT_ALL: "0+100x150", TTFT_IN_TIME: "0+80x150"},
        1440,
        MODEL,
        "20%",
        step="10m",
    ),
    Case("OssatureTtftBurnRateHigh", "a fifth slow for a day", {TTFT_ALL: "0+100x150", TTFT_IN_TIME: "0+80x150"}, 1440, step="10m"),
    Case(
        "OssatureTtftBurnRateElevated",
        "within the objective",
        {TTFT_ALL: "0+100x150", TTFT_IN_TIME: "0+97x150"},
        1440,
        step="10m",
    ),
    Case("OssatureQueueGrowth", "it grows", {WAITING: "0+1x60", READY: "1x60"}, 30, MODEL, "30.0"),
    Case("OssatureQueueGrowth", "long but steady", {WAITING: "20x60", READY: "1x60"}, 30),
    Case("OssatureQueueGrowth", "many replicas share it", {WAITING: "0+1x60", READY: "10x60"}, 30),
    Case(
        "OssaturePreemptions",
        "batches too large",
        counter("vllm:num_preemptions_total", 'model_name="m",engine="0"', "0+6x60"),
        40,
        {"model_name": "m"},
        "0.10",
    ),
    Case("OssaturePreemptions", "now and then", counter("vllm:num_preemptions_total", 'model_name="m",engine="0"', "0+1x60"), 40),
    Case(
        "OssatureHitRateDrop",
        "from 80 % to 10 %",
        {PROMPT: "0+60000x200", CACHED: "0+48000x156 7494000+6000x30"},
        1680,
        MODEL,
        "10%",
        step="10m",
    ),
    Case("OssatureHitRateDrop", "as ever", {PROMPT: "0+60000x200", CACHED: "0+48000x200"}, 1680, step="10m"),
    Case("OssatureHitRateDrop", "few prompts", {PROMPT: "0+6000x200", CACHED: "0+4800x156 749400+600x30"}, 1680, step="10m"),
    Case("OssatureDiskAlmostFull", "4 % free", {FREE: "4x20", SIZE: "100x20"}, 10, TARGET, "4%"),
    Case("OssatureDiskAlmostFull", "a tenth free", {FREE: "10x20", SIZE: "100x20"}, 10),
    Case("OssatureDiskFilling", "full in a few hours", {FREE: "290-1x100", SIZE: "1000x100"}, 60, TARGET, "23%"),
    Case("OssatureDiskFilling", "low and steady", {FREE: "200x100", SIZE: "1000x100"}, 60),
    Case("OssatureDiskFilling", "much left", {FREE: "900-1x100", SIZE: "1000x100"}, 60),
    Case(
        "OssatureCapturesFailing",
        "a tenth is not stored",
        counter("ossature_stored_completions_total", 'outcome="unavailable"', "0+1x60")
        | counter("ossature_stored_completions_total", 'outcome="stored"', "0+9x60"),
        30,
        {},
        "10%",
    ),
    Case(
        "OssatureCapturesFailing",
        "over their quota",
        counter("ossature_stored_completions_total", 'outcome="quota_exceeded"', "0+1x60")
        | counter("ossature_stored_completions_total", 'outcome="stored"', "0+9x60"),
        30,
    ),
    Case(
        "OssatureLedgerSlow",
        "seconds for a row",
        buckets("ossature_ledger_write_duration_seconds", "", le_1_0="0x60", le_2_5="0+10x60", inf="0+10x60"),
        30,
        {},
        "2.485s",
    ),
    Case(
        "OssatureLedgerSlow",
        "milliseconds for a row",
        buckets("ossature_ledger_write_duration_seconds", "", le_0_01="0+10x60", le_1_0="0+10x60", inf="0+10x60"),
        30,
    ),
    Case(
        "OssatureVoiceFramesLate",
        "two a second",
        {f"ossature_realtime_late_frames_total{{{NODE}}}": "0+120x30"},
        20,
        INSTANCE,
        "2.0",
    ),
    Case("OssatureVoiceFramesLate", "one in two seconds", {f"ossature_realtime_late_frames_total{{{NODE}}}": "0+30x30"}, 20),
    Case(
        "OssatureVoiceAnswersSlow",
        "a tenth after seconds",
        buckets("ossature_realtime_latency_seconds", 'stage="total"', le_2_5="0x60", le_5_0="0+10x60", inf="0+10x60"),
        30,
        {},
        "4.75s",
    ),
    Case(
        "OssatureVoiceAnswersSlow",
        "in time",
        buckets("ossature_realtime_latency_seconds", 'stage="total"', le_1_0="0+10x60", le_2_5="0+10x60", inf="0+10x60"),
        30,
    ),
    Case(
        "OssatureSpeechBehind",
        "slower than speech",
        buckets("ossature_speech_real_time_factor", 'work="recognition"', le_1_0="0x60", le_1_5="0+10x60", inf="0+10x60"),
        30,
        {"work": "recognition"},
        "1.45",
    ),
    Case(
        "OssatureJobStuck",
        "waits for more than an hour",
        counter("ossature_job_waiting_seconds", 'kind="eval"', "3600+60x30"),
        20,
        {"kind": "eval"},
        "1h 20m 0s",
    ),
    Case("OssatureJobStuck", "waits for minutes", counter("ossature_job_waiting_seconds", 'kind="eval"', "0+60x30"), 20),
    Case(
        "OssatureJobNotEnding",
        "cancelled an hour ago",
        counter("ossature_jobs", 'kind="eval",state="cancelling"', "1x60"),
        50,
        {"kind": "eval", "state": "cancelling"},
    ),
    Case(
        "OssatureJobNotEnding",
        "one after the other",
        counter("ossature_jobs", 'kind="eval",state="cancelling"', "1x20 0x1 1x60"),
        50,
    ),
    Case("OssatureJobNotEnding", "runs for long", counter("ossature_jobs", 'kind="eval",state="running"', "1x60"), 50),
    Case(
        "OssatureJobWorkersLost",
        "every few minutes",
        counter("ossature_job_leases_taken_over_total", 'kind="eval"', "0+1x70"),
        60,
        {"kind": "eval"},
        "60",
    ),
    Case(
        "OssatureJobWorkersLost",
        "three",
        counter("ossature_job_leases_taken_over_total", 'kind="eval"', "0x5 1x5 2x5 3x60"),
        30,
    ),
    Case(
        "OssatureJobsFailing",
        "two of three",
        counter("ossature_job_run_duration_seconds_count", 'kind="eval",outcome="retried"', "0+2x80")
        | counter("ossature_job_run_duration_seconds_count", 'kind="eval",outcome="succeeded"', "0+1x80"),
        75,
        {"kind": "eval"},
        "120",
    ),
    Case(
        "OssatureJobsFailing",
        "one of four",
        counter("ossature_job_run_duration_seconds_count", 'kind="eval",outcome="retried"', "0+1x80")
        | counter("ossature_job_run_duration_seconds_count", 'kind="eval",outcome="succeeded"', "0+3x80"),
        75,
    ),
    Case(
        "OssatureTtftBurnRateHigh",
        "only those of jobs",
        {
            TTFT_ALL.replace('"http"', '"jobs"'): "0+10x80",
            TTFT_IN_TIME.replace('"http"', '"jobs"'): "0+1x80",
        },
        70,
    ),
    Case(
        "OssatureSpeechBehind",
        "faster",
        buckets("ossature_speech_real_time_factor", 'work="recognition"', le_0_5="0+10x60", le_1_0="0+10x60", inf="0+10x60"),
        30,
    ),
)
