"""Bodies that both edges take, of what no domain package may check itself."""

from __future__ import annotations

from cluster.inference.requests.fields import Metadata, Strict


class UpdateStoredCompletion(Strict):
    """``null`` takes all metadata away."""

    metadata: Metadata | None
