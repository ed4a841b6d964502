"""Durable jobs: leased by workers, made of steps that are recorded, with a log of events. No FastAPI, gRPC or Ray."""
