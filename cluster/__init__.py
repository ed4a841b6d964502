"""Ossature: an organization-aware serving cluster for open-weight models."""

from importlib.metadata import version

__version__ = version("ossature")
