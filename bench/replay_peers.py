"""Our routing against the other policies and the peers' rules, replayed on all workloads: hits, latency, spread of load.

    python -m bench.replay_peers --trace mooncake_conversation.jsonl --replicas 4 8 16 [--gateways 1] [--json FILE]

Prints one table for each workload and size, with our p50 and p90 as ratios to the best of the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.routing_rules.adapters import KubeaiChwbl, LlmdScorers, RayPrefixAffinity, SglangCacheAware
from cluster.replay.compare import compare
from cluster.replay.engine_profile import GPT_OSS_120B_H200
from cluster.replay.policies import OURS, POLICIES
from cluster.replay.report import Report
from cluster.replay.simulation import MakePolicy, Scenario
from cluster.replay.traces import read_trace
from cluster.replay.workload import Workload
from cluster.replay.workloads import WORKLOADS, generate

PEERS: dict[str, MakePolicy] = {
    "ray_prefix": lambda settings, seed: RayPrefixAffinity(seed),
    "sglang_cache_aware": lambda settings, seed: SglangCacheAware(seed),
    "kubeai_chwbl": lambda settings, seed: KubeaiChwbl(seed),
    "llmd_scorers": lambda settings, seed: LlmdScorers(seed),
}

#: The published shape of this workload has a working set of three quarters of the fleet's cache.
KV_TOKENS = {"organizations": lambda replicas: 2_460_000 // replicas}


def workloads(trace: Path | None, only: list[str] | None, replicas: int, seed: int) -> Iterator[tuple[Workload, int]]:
    """Each workload with the size of a replica's cache."""
    if trace is not None and (only is None or "trace" in only):
        yield read_trace(trace), GPT_OSS_120B_H200.kv_tokens
    for name in WORKLOADS:
        if only is None or name in only:
            yield generate(name, replicas, seed), KV_TOKENS.get(name, lambda _: GPT_OSS_120B_H200.kv_tokens)(replicas)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--workload", nargs="*", help="only these; `trace` names the trace")
    parser.add_argument("--replicas", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--policies", nargs="*", help="only these and ours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    policies = {**POLICIES, **PEERS}
    names = [name for name in policies if arguments.policies is None or name in (OURS, *arguments.policies)]
    documents = []
    for replicas in arguments.replicas:
        for workload, kv_tokens in workloads(arguments.trace, arguments.workload, replicas, arguments.seed):
            profile = replace(GPT_OSS_120B_H200, kv_tokens=kv_tokens)
            scenario = Scenario(replicas=replicas, gateways=arguments.gateways, profile=profile, seed=arguments.seed)
            reports = compare(workload, scenario, policies, names)
            show(workload, scenario, reports)
            documents.append(
                {
                    "workload": workload.name,
                    "replicas": replicas,
                    "gateways": arguments.gateways,
                    "kv_tokens": kv_tokens,
                    "policies": [report.as_json() for report in reports],
                }
            )
            if arguments.json is not None:
                arguments.json.write_text(json.dumps(documents, indent=1))


def show(workload: Workload, scenario: Scenario, reports: list[Report]) -> None:
    print(f"\n{workload.name}, {scenario.replicas} replicas, {scenario.gateways} gateway(s)")
    print(f"{'policy':<20}{'of oracle':>10}{'mean ms':>10}{'p50':>9}{'p90':>9}{'p99':>9}{'load':>7}{'orgs':>7}")
    for report in reports:
        print(
            f"{report.policy:<20}{report.of_oracle:>10.3f}{report.ttft_mean_ms:>10.0f}{report.ttft_p50_ms:>9.0f}"
            f"{report.ttft_p90_ms:>9.0f}{report.ttft_p99_ms:>9.0f}{report.load_spread:>7.2f}{report.org_spread:>7.2f}"
        )
    ours = next(report for report in reports if report.policy == OURS)
    others = [report for report in reports if report.policy != OURS]
    if not others:
        return
    p50 = min(others, key=lambda report: report.ttft_p50_ms)
    p90 = min(others, key=lambda report: report.ttft_p90_ms)
    print(
        f"ours to the best other: p50 {ours.ttft_p50_ms / p50.ttft_p50_ms:.2f} ({p50.policy}), "
        f"p90 {ours.ttft_p90_ms / p90.ttft_p90_ms:.2f} ({p90.policy})"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
