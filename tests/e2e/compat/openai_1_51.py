"""Run by the old client's own interpreter: chat, stream, tools and JSON, printed as JSON for the test to judge.

usage: openai_1_51.py BASE_URL API_KEY MODEL
"""

import json
import sys

import openai

TOOL = {
    "type": "function",
    "function": {
        "name": "place_order",
        "description": "Place an order",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"item": {"type": "string"}, "quantity": {"type": "integer"}},
            "required": ["item", "quantity"],
            "additionalProperties": False,
        },
    },
}


def main() -> None:
    base_url, api_key, model = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key=api_key, _strict_response_validation=True, max_retries=0, timeout=120)

    def ask(text, **options):
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], temperature=0, **options)

    stream = list(ask("Hello", stream=True, stream_options={"include_usage": True}))
    call = ask("Order 5 mugs", tools=[TOOL]).choices[0].message.tool_calls[0].function
    schema = {"name": "order", "strict": True, "schema": TOOL["function"]["parameters"]}
    order = ask("Extract the order as JSON: 7 apples", response_format={"type": "json_schema", "json_schema": schema})
    try:
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "x"}])
        error = None
    except openai.NotFoundError as caught:
        error = caught.code
    report = {
        "version": openai.__version__,
        "chat": ask("Hello").choices[0].message.content,
        "stream": "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices),
        "usage": stream[-1].usage.total_tokens,
        "tool": [call.name, json.loads(call.arguments)],
        "order": json.loads(order.choices[0].message.content),
        "models": [each.id for each in client.models.list()],
        "error": error,
    }
    print(json.dumps(report))


main()
