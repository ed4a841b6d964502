"""Adapters of tuned models on an engine replica: their files on its disk, and which of them its engine has loaded."""
