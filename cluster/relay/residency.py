"""What this process was told of its replicas' prefix caches.

The channels of the process fill it and its request routers, which Ray Serve makes itself, look into it; like ``replicas`` it is
where the two meet.
"""

from __future__ import annotations

from cluster.routing.residency.table import ResidencyTable

DEFAULT_CAPACITY = 200_000

#: The table of this process: there is one set of channels in it, so there is one table.
PROCESS_TABLE = ResidencyTable(DEFAULT_CAPACITY)
