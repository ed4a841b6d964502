"""What clients notice when a running cluster is given a new configuration, and another number of replicas."""
