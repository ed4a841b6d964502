"""Mends for defects of one vLLM version. Each file is one defect: what is wrong, what is done, and which test pins it.

A patch is applied only to the version it was written for. ``tests/unit/engine/test_patches.py`` shows that the unpatched behaviour
is still wrong, so that a patch is removed when vLLM has mended it.
"""

PATCHED_VERSION = "0.32."
"""Prefix of the vLLM versions that the patches of this package were written for."""
