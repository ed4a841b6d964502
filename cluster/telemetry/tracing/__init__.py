"""Distributed traces: what a span is to the rest of the cluster, W3C's header, and OpenTelemetry behind both."""
