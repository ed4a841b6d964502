"""Bringing the cluster up and down on a machine: Ray, Ray Serve, the run's files and processes."""
