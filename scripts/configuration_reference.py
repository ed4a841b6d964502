"""Writes docs/configuration.md from the settings' schema. ``--check``: fail if the file is not up to date."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cluster.config.reference import main  # noqa: E402

sys.exit(main([str(ROOT / "docs" / "configuration.md"), *sys.argv[1:]]))
