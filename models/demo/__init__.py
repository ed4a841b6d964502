"""The demo model: a 1.5-million-parameter gpt-oss, trained here, for trying the plumbing of a cluster."""
