"""Routing policies behind the contract in ``cluster.routing.policy``."""

from cluster.routing.policies.least_loaded import LeastLoaded
from cluster.routing.policies.power_of_two import PowerOfTwo
from cluster.routing.policies.prefix_affinity import PrefixAffinity

__all__ = ["LeastLoaded", "PowerOfTwo", "PrefixAffinity"]
