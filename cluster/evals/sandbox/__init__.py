"""A place for code that nobody has read: bubblewrap around a Python process, with a system-call filter and resource limits."""

from cluster.evals.sandbox.contract import SandboxFailed, SandboxLimits, SandboxUnavailable, ScriptFailed
from cluster.evals.sandbox.probe import probed
from cluster.evals.sandbox.sandbox import Sandbox

__all__ = ["Sandbox", "SandboxFailed", "SandboxLimits", "SandboxUnavailable", "ScriptFailed", "probed"]
