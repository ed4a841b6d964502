"""Models that come with the project: a trained demo model and random-weight models for measurements."""
