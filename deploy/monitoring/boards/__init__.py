"""The dashboards, a file each."""

from __future__ import annotations

from deploy.monitoring.boards import engines, jobs, organizations, overview, prompt_cache, realtime
from deploy.monitoring.panels import Board

ALL: tuple[Board, ...] = (overview.BOARD, prompt_cache.BOARD, organizations.BOARD, realtime.BOARD, jobs.BOARD, engines.BOARD)
