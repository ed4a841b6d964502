"""Muon for matrices, AdamW for the rest.

Muon (Jordan et al., 2024) replaces a matrix's momentum by the nearest orthogonal matrix, found by Newton-Schulz iterations; the
coefficients below are its published ones. Expert weights ``[experts, in, out]`` are treated as a stack of matrices.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_ADAM_LEARNING_RATE = 3e-3
_MUON_LEARNING_RATE = 0.02
_MOMENTUM = 0.95
_NEWTON_SCHULZ_STEPS = 5
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


class DemoOptimizer:
    """Both optimizers behind one learning-rate factor."""

    def __init__(self, network: nn.Module) -> None:
        named = list(network.named_parameters())
        self._matrices = [parameter for name, parameter in named if _is_hidden_matrix(name, parameter)]
        self._momenta = [torch.zeros_like(parameter) for parameter in self._matrices]
        others = [parameter for name, parameter in named if not _is_hidden_matrix(name, parameter)]
        self._adam = torch.optim.AdamW(others, lr=_ADAM_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, factor: float) -> None:
        """Apply and clear the gradients; ``factor`` scales both learning rates."""
        for group in self._adam.param_groups:
            group["lr"] = _ADAM_LEARNING_RATE * factor
        self._adam.step()
        self._adam.zero_grad()
        for parameter, momentum in zip(self._matrices, self._momenta, strict=True):
            if parameter.grad is None:
                continue
            momentum.lerp_(parameter.grad, 1 - _MOMENTUM)
            update = orthogonalized(parameter.grad.lerp(momentum, _MOMENTUM))
            aspect = max(1.0, parameter.shape[-2] / parameter.shape[-1]) ** 0.5
            parameter.add_(update, alpha=-_MUON_LEARNING_RATE * factor * aspect)
            parameter.grad = None


def orthogonalized(matrices: Tensor) -> Tensor:
    """Approximate ``U V^T`` of each matrix ``U S V^T`` in ``[..., rows, columns]``."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def _is_hidden_matrix(name: str, parameter: nn.Parameter) -> bool:
    if name.endswith("_bias") or "embed_tokens" in name or "router" in name:
        return False
    return bool(parameter.ndim >= 2)
