"""The prefix-cache events of vLLM's engine core, as far as its replica."""
