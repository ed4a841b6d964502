"""The gRPC edge: ``ossature.v1`` and ``grpc.health.v1``, translated to and from the inside of the cluster."""
