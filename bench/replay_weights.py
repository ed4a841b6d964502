"""How much ``routing.recompute_weight`` matters: our policy on every workload and size with different weights.

    python -m bench.replay_weights --trace mooncake_conversation.jsonl [--weights 1 2 4] [--replicas 4 8 16] [--seeds 0]

One line for each workload, size, seed and weight, as it is done.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from bench.replay_peers import workloads
from cluster.replay.compare import compare
from cluster.replay.engine_profile import GPT_OSS_120B_H200
from cluster.replay.gateway import GatewaySettings
from cluster.replay.policies import OURS, POLICIES
from cluster.replay.simulation import Scenario


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--workload", nargs="*", help="only these; `trace` names the trace")
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--replicas", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    documents = []
    print(f"{'workload':<24}{'replicas':>9}{'seed':>6}{'weight':>8}{'of oracle':>11}{'mean ms':>10}{'p50':>9}{'p90':>9}")
    for replicas in arguments.replicas:
        for seed in arguments.seeds:
            for workload, kv_tokens in workloads(arguments.trace, arguments.workload, replicas, seed):
                profile = replace(GPT_OSS_120B_H200, kv_tokens=kv_tokens)
                for weight in arguments.weights:
                    settings = GatewaySettings(recompute_weight=weight)
                    scenario = Scenario(replicas=replicas, profile=profile, settings=settings, seed=seed)
                    (report,) = compare(workload, scenario, POLICIES, [OURS])
                    print(
                        f"{workload.name:<24}{replicas:>9}{seed:>6}{weight:>8g}{report.of_oracle:>11.3f}"
                        f"{report.ttft_mean_ms:>10.1f}{report.ttft_p50_ms:>9.1f}{report.ttft_p90_ms:>9.1f}",
                        flush=True,
                    )
                    named = {"workload": workload.name, "replicas": replicas, "seed": seed, "weight": weight}
                    documents.append({**named, **report.as_json()})
                    if arguments.json is not None:
                        arguments.json.write_text(json.dumps(documents, indent=1))


if __name__ == "__main__":
    main()
