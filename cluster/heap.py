"""What a long-lived process does with its heap once it is ready."""

from __future__ import annotations

import gc


def settle() -> None:
    """Take everything that is alive now out of the garbage collector's sight.

    A gateway or a replica holds some hundreds of thousands of objects of the libraries that it has loaded. A full collection looks
    at each, for a tenth of a second and more, while no token and no audio frame moves. What is alive once the process is ready
    stays alive until its end, so that later collections need not look at it again.
    """
    gc.collect()
    gc.freeze()
