"""A simulator that replays traces and workloads through the real routing code. It knows neither Ray, HTTP nor an engine."""
