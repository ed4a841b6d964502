"""``RealtimeService``: realtime sessions over a bidirectional call, with the same machine behind as the WebSocket's."""
