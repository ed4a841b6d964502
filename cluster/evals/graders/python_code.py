"""``python``: the client's ``grade(sample, item)`` in a sandbox; at least ``pass_threshold`` passes."""

from __future__ import annotations

from cluster.evals.case import Case
from cluster.evals.definitions import Python
from cluster.evals.grade import Fault, GradingFailed
from cluster.evals.graders.verdict import DEFAULT_THRESHOLD, Verdict
from cluster.evals.sandbox import Sandbox, SandboxFailed, SandboxUnavailable, ScriptFailed


async def grade(definition: Python, case: Case, sandbox: Sandbox) -> Verdict:
    try:
        score = await sandbox.run(definition.source, case.sample, case.item)
    except ScriptFailed as error:
        raise GradingFailed(Fault.PYTHON_RUNTIME, str(error), kind=error.kind) from None
    except (SandboxFailed, SandboxUnavailable) as error:
        raise GradingFailed(Fault.PYTHON_SERVER, str(error), kind="sandbox") from None
    threshold = definition.pass_threshold if definition.pass_threshold is not None else DEFAULT_THRESHOLD
    return Verdict(score, score >= threshold)
