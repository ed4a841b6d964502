"""The `ossature` command. Modules import what they need inside their functions, so that `--help` answers at once."""


def main() -> None:
    """Entry point of the installed command."""
    from cluster.cli.app import run

    run()
