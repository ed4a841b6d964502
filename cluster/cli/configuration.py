"""``ossature config``: show, check and describe the configuration and what Ray needs for it, without starting anything."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json, note, printable
from cluster.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from cluster.config.schema import ClusterConfig

app = typer.Typer(no_args_is_help=True, help="The configuration: show, check, schema; the environment of Ray.")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="OSSATURE_CONFIG", help="Configuration file; default: the built-in demo."),
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Only this one of the configured models.")]


@app.command()
@command
def show(config: ConfigOption = None, model: ModelOption = None, as_json: JsonFlag = False) -> None:
    """Show the effective configuration, and where each value comes from. Secrets are masked.

    Example: OSSATURE_HTTP__PORT=8080 ossature config show --config configs/gpt-oss-20b-1x24gb.yaml
    """
    from cluster.config.effective import as_yaml, masked, sources
    from cluster.config.loading import load_with_sources

    loaded = load_with_sources(config, only_model=model)
    if as_json:
        emit_json({"config": masked(loaded), "sources": sources(loaded)})
    else:
        typer.echo(as_yaml(loaded), nl=False)


@app.command()
@command
def check(
    config: ConfigOption = None,
    model: ModelOption = None,
    engine: Annotated[bool, typer.Option(help="Have vLLM's parser check the engine arguments too; takes some seconds.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Check the configuration and list everything that is wrong with it. Ends with 2 when something is.

    Example: ossature config check --config configs/gpt-oss-120b-tp8.yaml
    """
    from cluster.config.loading import load

    try:
        loaded = load(config, only_model=model)
        problems = _engine_problems(loaded) if engine else []
    except ConfigError as error:
        loaded, problems = None, list(error.problems)
    if as_json:
        emit_json(
            {
                "valid": not problems,
                "engine_arguments_checked": engine and loaded is not None,
                "problems": [problem.as_dict() for problem in problems],
            }
        )
    else:
        for problem in problems:
            typer.echo(printable(str(problem)), err=True)
        if not problems:
            checked = "" if engine else " (engine arguments not checked by vLLM)"
            typer.echo(f"The configuration is fine{checked}.")
    if problems:
        raise typer.Exit(ExitCode.USAGE)


@app.command()
@command
def schema(
    json_schema: Annotated[bool, typer.Option("--json-schema", "--json", help="Print a JSON schema, for editors.")] = False,
) -> None:
    """Print the reference of all settings as Markdown, or as JSON schema.

    Example: ossature config schema --json-schema > ossature.schema.json
    """
    from cluster.config.reference import json_schema as described
    from cluster.config.reference import markdown

    if json_schema:
        emit_json(described())
    else:
        typer.echo(markdown(), nl=False)


@app.command("ray-environment")
@command
def ray_environment(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Print the variables to set on every node before `ray start`, for a cluster with `ray.address`.

    Example: eval "$(ossature config ray-environment --config configs/gpt-oss-120b-2nodes.yaml)" && ray start --head --port=6379
    """
    import shlex

    from cluster.config.loading import load
    from cluster.runtime.serve_environment import ray_environment as variables

    environment = variables(load(config))
    if as_json:
        emit_json(environment)
    else:
        for name, value in environment.items():
            typer.echo(f"export {name}={shlex.quote(value)}")


def _engine_problems(config: ClusterConfig) -> list[Problem]:
    note("Asking vLLM about the engine arguments …")
    # vLLM logs to standard output, which belongs to the command's own answer.
    with redirect_stdout(sys.stderr):
        try:
            from cluster.engine.vllm.arguments import check as check_arguments

            return [
                Problem(("models", index), message)
                for index, model in enumerate(config.models)
                for message in check_arguments(model)
            ]
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "vllm":
                raise
            step = "Install one of the extras [gpu] and [cpu], or check the rest with --no-engine."
            raise CommandError("vLLM is not installed here, so engine arguments can't be checked", next_step=step) from error
