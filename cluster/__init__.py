"""Ossature: an organization-aware serving cluster for open-weight models."""
