"""Run by an interpreter with the openai-agents package: a spoken order with an interruption, printed as JSON for the test to judge.

usage: openai_agents_voice.py WEBSOCKET_URL FOLDER      FOLDER: story.pcm and order.pcm, 16-bit mono at 24 kHz
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner

PIECE_MS = 20
orders = []


@function_tool
def place_order(item: str, quantity: int) -> str:
    """Place an order"""
    orders.append({"item": item, "quantity": quantity})
    return json.dumps({"order_id": "A123"})


class Microphone:
    """Sends silence, and what there is to say, in real time."""

    def __init__(self, session):
        self.session = session
        self.waiting = b""

    async def run(self):
        size, due = 48 * PIECE_MS, time.monotonic()
        while True:
            piece, self.waiting = self.waiting[:size], self.waiting[size:]
            await self.session.send_audio(piece.ljust(size, b"\0"))
            due += PIECE_MS / 1000
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def main():
    url, folder = sys.argv[1], Path(sys.argv[2])
    agent = RealtimeAgent(name="Shop", instructions="You are a shop assistant.", tools=[place_order])
    runner = RealtimeRunner(agent)
    audio_bytes, interrupted, ordered, last_words = 0, False, False, ""
    options = {"url": url, "api_key": os.environ["OPENAI_API_KEY"]}
    async with await runner.run(model_config=options) as session:
        microphone = Microphone(session)
        speaking = asyncio.create_task(microphone.run())
        microphone.waiting += (folder / "story.pcm").read_bytes()
        async with asyncio.timeout(120):
            async for event in session:
                if event.type == "error":
                    print(event.error, file=sys.stderr)
                elif event.type == "audio":
                    audio_bytes += len(event.audio.data)
                    if not ordered and audio_bytes > 48_000:
                        ordered = True
                        microphone.waiting += (folder / "order.pcm").read_bytes()
                elif event.type == "audio_interrupted":
                    interrupted = True
                elif event.type in ("history_updated", "history_added"):
                    last_words = spoken_last(session) or last_words
                    if orders and "A123" in last_words:
                        break
        speaking.cancel()
    report = {"interrupted": interrupted, "tool_calls": orders, "audio_bytes": audio_bytes, "last_words": last_words}
    print(json.dumps(report))


def spoken_last(session):
    for item in reversed(session._history):
        if item.type == "message" and item.role == "assistant":
            return " ".join(part.transcript or "" for part in item.content if part.type == "audio")
    return ""


asyncio.run(main())
