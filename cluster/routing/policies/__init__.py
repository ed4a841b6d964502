"""Routing policies behind the contract in ``cluster.routing.policy``."""

from cluster.routing.policies.bounded_hashing import BoundedHashing
from cluster.routing.policies.least_loaded import LeastLoaded
from cluster.routing.policies.power_of_two import PowerOfTwo
from cluster.routing.policies.prefix_affinity import PrefixAffinity
from cluster.routing.policies.priced_affinity import PricedAffinity
from cluster.routing.policies.random_choice import RandomChoice
from cluster.routing.policies.round_robin import RoundRobin

__all__ = ["BoundedHashing", "LeastLoaded", "PowerOfTwo", "PrefixAffinity", "PricedAffinity", "RandomChoice", "RoundRobin"]
