"""A software bill of materials in CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from supply_chain.licences import Policy
from supply_chain.packages import Package

_NAMESPACE = uuid.UUID("5b3f8c1e-6f0d-4f0a-9d55-3d2f3d1c7a10")


def bill(
    name: str, version: str, lock_names: Sequence[str], packages: Sequence[Package], policy: Policy, when: datetime
) -> dict[str, Any]:
    """Of the packages that ``name`` is made of. Equal packages give an equal document, but for the time.

    ``when``: aware. The serial number is derived from the contents.
    """
    reference = f"pkg:pypi/{name}@{version}"
    here = {package.name for package in packages}
    components = [_component(package, policy) for package in packages]
    dependencies = [{"ref": reference, "dependsOn": [_url(package) for package in packages]}]
    urls = {package.name: _url(package) for package in packages}
    dependencies += [
        {"ref": _url(package), "dependsOn": [urls[each] for each in sorted(package.requires & here)]} for package in packages
    ]
    serial = uuid.uuid5(_NAMESPACE, json.dumps([reference, components], sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": reference,
                "name": name,
                "version": version,
                "purl": reference,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
            # Hashes of every file of a package stand in the lock, which pip and uv check at installation.
            "properties": [{"name": "ossature:lock", "value": each} for each in lock_names],
        },
        "components": components,
        "dependencies": dependencies,
    }


def _url(package: Package) -> str:
    return f"pkg:pypi/{package.name}@{package.version.replace('+', '%2B')}"


def _component(package: Package, policy: Policy) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _url(package),
        "name": package.name,
        "version": package.version,
        "purl": _url(package),
    }
    exception = policy.exceptions.get(package.name)
    licence = policy.licence_of(package)
    if exception is not None and package.metadata is not None:
        licence = exception.licence
    if licence is not None and not licence.startswith("LicenseRef-"):
        component["licenses"] = [{"expression": licence}]
    elif licence is not None:
        component["licenses"] = [{"license": {"name": licence.removeprefix("LicenseRef-")}}]
    if package.metadata is not None and (summary := package.metadata.get("Summary")):
        component["description"] = summary
    return component
