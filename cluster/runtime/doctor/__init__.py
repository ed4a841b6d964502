"""What would keep a cluster from starting or from serving well on this machine, found without starting it."""
