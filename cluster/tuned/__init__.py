"""Tuned models: the registry of what was trained on top of a served model."""
