"""Checks bills of materials against CycloneDX's schema, where the library for it is installed. Ends with 1 if one is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion  # type: ignore[import-not-found, unused-ignore]
from cyclonedx.validation.json import JsonStrictValidator  # type: ignore[import-not-found, unused-ignore]

failed = False
for name in sys.argv[1:]:
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(name).read_text(encoding="utf-8"))
    if problem is not None:
        failed = True
        sys.stderr.write(f"{name}: {problem}\n")
    else:
        sys.stdout.write(f"{name}: valid CycloneDX 1.6\n")
sys.exit(1 if failed else 0)
