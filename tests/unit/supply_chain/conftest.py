"""Scripts are no package of the cluster's: tests find them beside it."""

from __future__ import annotations

import sys

from tests.chart import ROOT

sys.path.append(str(ROOT / "scripts"))
