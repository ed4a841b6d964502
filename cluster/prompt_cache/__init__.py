"""Prompt caching: salts that isolate organizations and end retention, and the rules of what users are shown."""

from cluster.prompt_cache.rules import shown_cached_tokens
from cluster.prompt_cache.salt import SaltDeriver

__all__ = ["SaltDeriver", "shown_cached_tokens"]
