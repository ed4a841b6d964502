"""``python -m cluster.cli``: the command where it isn't on the path."""

from cluster.cli import main

main()
