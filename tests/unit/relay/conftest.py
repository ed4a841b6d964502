from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Ray's processes run on uvloop, which differs from asyncio in its transports, and in when it writes and closes."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
