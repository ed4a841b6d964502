"""A Ray head as a pod of the chart starts one, without a pod: ``python ray_head.py SETTINGS.json``. Ends with SIGTERM.

``SETTINGS.json``: num_cpus, resources, object_store_memory (bytes), dashboard_port, folder (of Ray's own files). The environment is
the pod's. Prints ``ready`` once the dashboard's API can be asked.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    import ray

    settings = json.loads(Path(sys.argv[1]).read_text())
    ended = threading.Event()
    ray.init(
        "local",
        num_cpus=settings["num_cpus"],
        resources=settings["resources"],
        object_store_memory=settings["object_store_memory"],
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=settings["dashboard_port"],
        _temp_dir=settings["folder"],
        log_to_driver=False,
    )
    # After Ray, which sets handlers of its own.
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    ended.wait()
    ray.shutdown()


if __name__ == "__main__":
    main()
