"""Engine arguments that are not the operator's to set, each with its reason.

Everything else that vLLM's parser knows may be given under ``models[].engine``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SERVED_HERE = "the cluster's own edges serve requests; vLLM's HTTP server is not started"
_PLACED_BY_RAY = "Ray places the workers of a replica; see `placement`"

MANAGED: Mapping[str, str] = MappingProxyType(
    {
        "model": "set `source` of the model instead",
        "model_tag": "set `source` of the model instead",
        "served_model_name": "set `id` of the model instead",
        "api_key": "keys belong to organizations; see `ossature key create`",
        "host": _SERVED_HERE,
        "port": _SERVED_HERE,
        "uds": _SERVED_HERE,
        "root_path": _SERVED_HERE,
        "ssl_keyfile": _SERVED_HERE,
        "ssl_certfile": _SERVED_HERE,
        "ssl_ca_certs": _SERVED_HERE,
        "ssl_cert_reqs": _SERVED_HERE,
        "middleware": _SERVED_HERE,
        "allowed_origins": _SERVED_HERE,
        "api_server_count": _SERVED_HERE,
        "headless": _SERVED_HERE,
        "enable_prompt_tokens_details": "always on: accounting of cached tokens needs it",
        "enable_force_include_usage": "usage is always counted, and shown to the clients that ask for it",
        "scheduling_policy": "always `priority`: fairness between organizations needs it",
        "nnodes": _PLACED_BY_RAY,
        "node_rank": _PLACED_BY_RAY,
        "master_addr": _PLACED_BY_RAY,
        "master_port": _PLACED_BY_RAY,
        "data_parallel_rank": "set `replicas` of the model instead",
        "data_parallel_start_rank": "set `replicas` of the model instead",
        "data_parallel_size_local": "set `replicas` of the model instead",
        "data_parallel_address": "set `replicas` of the model instead",
        "data_parallel_rpc_port": "set `replicas` of the model instead",
        "data_parallel_hybrid_lb": "set `replicas` of the model instead",
        "data_parallel_external_lb": "set `replicas` of the model instead",
        "kv_events_config": "its sockets carry every prompt's tokens; `routing.index: precise` keeps them inside the replica",
        "kv_offloading_size": "KV offloading is not on the tested list: a KV connector must carry the cache salt",
        "ec_transfer_config": "encoder caches outside the engine are not on the tested list: they must keep organizations apart",
    }
)

TESTED_KV_CONNECTORS: frozenset[str] = frozenset()
"""Names allowed as ``kv_transfer_config.kv_connector``. A name enters this list with a test in which another organization's
request for the same prompt misses through that connector."""

ISOLATING_HASHES = frozenset({"sha256", "sha256_cbor"})
"""Values allowed as ``prefix_caching_hash_algo``: a collision that a caller can construct would open another one's cache."""
