"""Dashboards and rules on a Prometheus that scrapes the whole cluster at work. Needs ``make prometheus``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import openai
import pytest

from cluster.speech.flite.synthesizer import FliteSynthesizer
from deploy.monitoring import boards
from tests import prometheus
from tests.e2e.conftest import RunningCluster
from tests.e2e.test_prompt_caching import long_prompt
from tests.e2e.test_voice import STORY, Line, calling, session_of
from tests.panel_queries import RULES, PanelQuery, panel_queries
from tests.voice_caller import spoken

pytestmark = pytest.mark.e2e

MODEL = "gpt-oss-demo"
SCRAPE_PERIOD_S = 4.0
WINDOW = "10m"
#: What this cluster need not show, and why. Panels that need more than a cluster say so themselves.
NOT_HERE = {
    ("ossature-organizations", "Failed requests"): "no request fails here",
    ("ossature-organizations", "Refused: limits and overload"): "nobody is refused here",
}
NOT_HERE |= {(board.uid, panel.title): panel.needs for board in boards.ALL for panel in board.panels if panel.needs}
MUST_NOT_FIRE = (
    "OssatureCrossOrganizationHit",
    "OssatureModelWithoutReplica",
    "OssatureNoGateway",
    "OssatureGatewayDown",
    "OssatureMetricsEndpointDown",
    "OssatureKeysNotChecked",
)


@pytest.fixture(scope="module")
def server(running: RunningCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[prometheus.Server]:
    """It has scraped the cluster before, between and after two rounds of work, so that there are rates."""
    target = urlsplit(running.metrics).netloc
    with prometheus.running(tmp_path_factory.mktemp("prometheus"), [target], rules=RULES, interval_s=SCRAPE_PERIOD_S) as server:
        _scraped(server)
        for _ in range(2):
            _chats(running)
            asyncio.run(_conversation(running))
            _scraped(server)
        yield server


def _scraped(server: prometheus.Server) -> None:
    """Wait until two scrapes have succeeded from now on."""
    began = time.time()

    def twice() -> bool:
        found = server.query(f"sum_over_time(up[{max(1, round(time.time() - began))}s])")
        return bool(found) and float(found[0]["value"][1]) >= 2

    time.sleep(SCRAPE_PERIOD_S)
    prometheus.wait_until(twice, 60, "the cluster can't be scraped")


def _chats(running: RunningCluster) -> None:
    """Cached and stored ones, a streamed one, speech, and a caller's error."""
    client = running.client()
    prompt = long_prompt()
    for _ in range(3):
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": prompt}], max_completion_tokens=4, store=True
        )
    for _ in client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hello"}], max_completion_tokens=16, stream=True
    ):
        pass
    client.audio.speech.create(model="tts-1", voice="alloy", input="Hello, and good day.").read()
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "Hello"}])


async def _conversation(running: RunningCluster) -> None:
    """A spoken question and the whole of its answer."""
    voice = FliteSynthesizer(workers=1)
    await voice.start()
    try:
        question = await spoken(voice, STORY)
    finally:
        await voice.stop()
    client = openai.AsyncOpenAI(
        base_url=f"{running.http}/v1",
        websocket_base_url=f"{running.http.replace('http', 'ws')}/v1",
        api_key=running.api_key,
        max_retries=0,
    )
    async with client, client.realtime.connect(model="gpt-realtime") as connection:
        line = Line(connection, ga=True)
        await connection.session.update(session=session_of(ga=True))
        await line.until("session.updated")
        async with calling(line) as caller:
            caller.say(question)
            await line.until("response.output_audio.delta")
            await line.until("response.done")


@pytest.mark.parametrize("query", list(panel_queries()), ids=str)
def test_a_panel_shows_data_of_the_cluster(server: prometheus.Server, query: PanelQuery) -> None:
    expression = query.with_values(window=WINDOW)
    if (query.board, query.panel) in NOT_HERE:
        server.query(expression)  # raises on one that is not valid
    else:
        found = server.eventually(expression)
        assert any(each["value"][1] != "NaN" for each in found), (expression, found)


def test_rules_are_evaluated_and_a_healthy_cluster_calls_nobody(server: prometheus.Server) -> None:
    prometheus.wait_until(lambda: all(rule["health"] == "ok" for rule in server.rules()), 60, "a rule is not evaluated")
    states = {rule["name"]: rule["state"] for rule in server.rules() if rule["type"] == "alerting"}
    assert {name: states[name] for name in MUST_NOT_FIRE} == dict.fromkeys(MUST_NOT_FIRE, "inactive")
