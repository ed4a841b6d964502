"""The recipe of a model, by name or by its config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.tuning.recipes import gpt_oss_20b, gpt_oss_120b, idefics3, llama, qwen3
from cluster.tuning.recipes.recipe import Recipe
from cluster.tuning.training.errors import UnsupportedModel

#: Of two that fit, the one with a depth of its own comes first.
RECIPES: tuple[Recipe, ...] = (gpt_oss_120b.RECIPE, gpt_oss_20b.RECIPE, qwen3.RECIPE, llama.RECIPE, idefics3.RECIPE)


def named(name: str) -> Recipe:
    """The recipe called ``name``.

    Raises:
        UnsupportedModel: there is none.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    raise UnsupportedModel(f"no recipe is called {name!r}; there are {', '.join(recipe.name for recipe in RECIPES)}")


def recipe_for(config: Mapping[str, Any]) -> Recipe:
    """The recipe for the model with this config.json.

    Raises:
        UnsupportedModel: there is none.
    """
    architectures = config.get("architectures") or ()
    layers = (config.get("text_config") or config).get("num_hidden_layers")
    for recipe in RECIPES:
        if set(architectures) & set(recipe.architectures) and (recipe.layers is None or layers in recipe.layers):
            return recipe
    raise UnsupportedModel(f"no recipe tunes {', '.join(architectures) or 'a model without an architecture'}")


def config_of(folder: Path) -> dict[str, Any]:
    """A model folder's config.json.

    Raises:
        UnsupportedModel: there is none.
    """
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    except FileNotFoundError as error:
        raise UnsupportedModel(f"{folder.name} has no config.json") from error
    return config


def recipe_of(folder: Path, name: str | None) -> Recipe:
    """The recipe of that name, or else the one for the model in ``folder``.

    Raises:
        UnsupportedModel: there is none.
    """
    return named(name) if name is not None else recipe_for(config_of(folder))
