"""Tuning: models of one's own, trained on one's own data and served beside their base."""
