"""gpt-oss-120b: 117 billion parameters, 5.1 billion active, 36 layers of 128 experts.

In bfloat16 that is 235 GB: four GPUs of 80 GB.
"""

from __future__ import annotations

import dataclasses

from cluster.tuning.recipes import gpt_oss_20b

RECIPE = dataclasses.replace(
    gpt_oss_20b.RECIPE,
    name="gpt-oss-120b",
    layers=(36,),
    gpus=4,
    full_gpus=0,
    lora_rate=1e-4,
)
