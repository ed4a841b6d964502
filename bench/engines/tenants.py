"""Organizations with a key each, made over the cluster's own administration API."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

_TIMEOUT_S = 30.0


def organization_keys(url: str, admin_key: str, count: int) -> list[str]:
    """API keys of ``count`` new organizations. Raises ``urllib.error.URLError``."""
    keys = []
    for number in range(count):
        organization = _post(f"{url}/admin/v1/organizations", admin_key, {"name": f"bench-{number:03d}"})
        key = _post(f"{url}/admin/v1/organizations/{organization['id']}/keys", admin_key, {"name": "bench"})
        keys.append(str(key["key"]))
    return keys


def _post(url: str, admin_key: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {admin_key}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_TIMEOUT_S) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
