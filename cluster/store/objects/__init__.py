"""Contents of files: durable, immutable objects under names that the cluster made up."""
