"""What a request costs on its way through this cluster and through its peers, in front of the same workers, in one run."""
