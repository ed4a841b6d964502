"""The lean front end: gpt-oss chat streams without vLLM's per-token work.

vLLM's chat serving class renders the prompt, checks the request and starts the generation, as always; only its stream writer is
replaced. What a client gets is the same, byte for byte after :mod:`cluster.engine.vllm.payloads`, which
``tests/unit/engine/test_harmony_front_ends.py`` pins over thousands of outputs. See ``docs/engine-front-end.md``.
"""
