"""Ask the kernel for permission to use AMX tiles.

vLLM's CPU attention uses AMX instructions where the processor has them, but the permission (``arch_prctl``) is asked for only by
TorchInductor. With ``enforce_eager``, or LoRA, nobody asks, and the first tile instruction ends the process with SIGILL.
"""

from __future__ import annotations


def allow_amx() -> bool:
    """Ask for the permission in this process. Returns whether AMX may be used now; ``False`` where the processor has none."""
    import torch

    return bool(torch.cpu._is_amx_tile_supported() and torch.cpu._init_amx())
