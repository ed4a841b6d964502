"""Which tuned models get engines of their own at a cluster's start, and what these are like."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cluster import app
from cluster.config.schema import ClusterConfig
from cluster.config.settings.database import DatabaseSettings
from cluster.edges.readiness import ModelReadiness
from cluster.identity.principal import Principal
from cluster.relay.replicas import ReplicaView
from cluster.runtime.merged_models import join_merged, joined
from cluster.store.database import Database
from cluster.store.objects.folder import FolderStorage
from cluster.store.schema import upgrade
from cluster.tuned.model import Kind, TunedModel
from cluster.tuned.names import TunedName
from cluster.tuned.places import TunedPlaces
from cluster.tuned.service import NewTunedModel, TunedModels
from cluster.tuned.weights import StoredWeights
from tests.unit.tuned.whole_models import write_whole

PLACEMENT = {"gpus_per_worker": 1.0, "resources_per_worker": {"mine": 1}}
ENGINE = {"tensor_parallel_size": 2, "max_model_len": 4096}


def config(folder: Path, **tuned_models: Any) -> ClusterConfig:
    scaling = {"min_replicas": 2, "max_replicas": 4}
    models = [
        {
            "id": "base",
            "source": "s",
            "engine": ENGINE,
            "placement": PLACEMENT,
            "autoscaling": scaling,
            "adapters": {"enabled": True},
        },
        {"id": "private", "source": "s", "organization": "org_b"},
    ]
    made = ClusterConfig.model_validate(
        {"secret": "s" * 32, "data_dir": folder, "models": models, "tuned_models": {"max_merged_models": 2} | tuned_models}
    )
    url = f"sqlite+aiosqlite:///{folder / 'cluster.db'}"
    return made.model_copy(update={"database": DatabaseSettings(url=SecretStr(url))})


def merged(org: str = "org_a", base: str = "base", number: int = 1) -> TunedModel:
    name = str(TunedName(base, org, "x", f"{number:016x}"))
    weights = StoredWeights(f"{org}/{number}", "0" * 64, 100)
    return TunedModel(name, org, base, Kind.MERGED, None, 7, weights=weights)


def test_engines_like_the_bases_for_the_owner_alone(tmp_path: Path) -> None:
    model = merged()
    found = joined(config(tmp_path), [model])
    assert found.left_out == []
    [base, _, own] = found.config.models
    assert (own.id, own.organization, own.owned_by, own.created) == (model.name, "org_a", "org_a", 7)
    assert (own.engine, own.placement) == (base.engine, base.placement)
    assert (own.adapters.enabled, own.replicas, own.autoscaling) == (False, 1, None)
    assert StoredWeights.parse(own.source) == model.weights


def test_bases_that_are_not_there_or_not_the_owners(tmp_path: Path) -> None:
    models = [merged(base="gone"), merged(base="private", number=2), merged("org_b", "private", number=3)]
    found = joined(config(tmp_path), models)
    assert [model.id for model in found.config.models] == ["base", "private", models[2].name]
    assert [line.split()[3] for line in found.left_out] == [models[0].name, models[1].name]


def test_the_oldest_of_the_registry_within_the_bound(tmp_path: Path) -> None:
    async def register(count: int, settings: ClusterConfig) -> list[str]:
        assert settings.database.url is not None
        await upgrade(settings.database.url.get_secret_value())
        database = Database.open(settings.database.url.get_secret_value(), settings.database)
        bases = {model.id: model for model in settings.models}
        places, now = TunedPlaces.of(settings), iter(range(1000))
        storage = FolderStorage(places.default_folder)
        registry = TunedModels(database, storage, settings.tuned_models, bases, lambda: float(next(now)))
        names = []
        for number in range(count):
            new = NewTunedModel(TunedName.new("base", "org_a"), write_whole(tmp_path / "run", seed=number), kind=Kind.MERGED)
            names.append((await registry.register(Principal("org_a", "proj_a", "key_a"), new)).name)
        await database.close()
        return names

    names = asyncio.run(register(2, config(tmp_path)))
    for bound, expected in ((2, names), (1, names[:1]), (0, [])):
        found = asyncio.run(join_merged(config(tmp_path, max_merged_models=bound)))
        assert [model.id for model in found.config.models] == ["base", "private", *expected]


def test_each_has_a_deployment_with_the_resources_of_its_base(tmp_path: Path) -> None:
    model = merged()
    gateway = app.build(joined(config(tmp_path), [model]).config, job_handlers={})
    engines = {name: each._bound_deployment for name, each in gateway._bound_deployment.init_args[1].items()}
    base, own = engines["base"], engines[model.name]
    assert own.name == app.engine_deployment_name(model.name)
    assert own.num_replicas == 1
    assert own._replica_config.placement_group_bundles == base._replica_config.placement_group_bundles
    assert isinstance(own.init_args[6], TunedPlaces), "it must know where its weights are"
    assert engines["private"].init_args[6] is None


def test_a_cluster_is_ready_without_them_and_names_them_to_nobody() -> None:
    model, view = merged(), ReplicaView()
    deployments = {"base": "engine:base", model.name: f"engine:{model.name}"}
    readiness = ModelReadiness(deployments, view, lambda name, count: None)
    assert readiness.report().waiting == ["base"]
