"""Training of one job: a JSON spec in, an adapter, checkpoints and events out.

Nothing here imports PyTorch at its top but the modules of :mod:`cluster.tuning.training.loop`, which a training process alone
imports: a gateway may read specs, events and verdicts without paying for it.
"""
