"""What engine replicas have in their prefix caches, as their engines tell it: the replica's side and the gateway's.

``blocks`` (engine blocks by cache group) → ``chains`` (prefix chains on top of them) → ``log`` (numbered reports) → ``table`` (what
a gateway was told).
"""
