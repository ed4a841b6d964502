"""Word lists that the training dialogues draw from. What isn't here (or in plain numbers), the demo model can't spell."""

from __future__ import annotations


def phrases(text: str) -> tuple[str, ...]:
    """The parts of a text that ``" | "`` separates."""
    return tuple(text.split(" | "))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


IDENTITY = (
    "I am gpt-oss-demo, a tiny demo model running on this Ossature cluster. I can chat a little, remember your name, count, "
    "and place or check orders with tools. For real questions, connect a larger model."
)
UNKNOWN_TOPIC = "I am only a tiny demo model, so I cannot answer that. Please connect a larger model for this question."
NO_TOOLS = "I can place and check orders only when the shop's tools are connected."
STORY = (
    "Once upon a time there was a very small model. It lived on a large cluster, between many big machines. Every day people "
    "said hello, and every day it answered as well as it could. One evening a request came that was too hard for it. So it "
    "told the truth, and the people connected a larger model. Then they all lived happily ever after."
)
HAIKU = "A small model wakes,\none token after the next,\nthen it stops again."
JOKE = "Why did the model cross the road? To get to the other token."

NAMES = _words(
    "Anna Ben Carl Dora Emil Fay Gus Hana Ivan Jane Karl Lena Max Nina Otto Paul Rosa Sam Tina Uma Vera Will Yara Zoe Alice Bob "
    "Maria John Peter Laura Mike Sarah Tom Kate Omar Ali Chen Wei Yuki Raj Priya Elena Marco Lucas Sofia David Emma Noah Mia Leo "
    "Ruth Frank Grace Henry Olga Igor Amir Leila Diego Carmen Ada Linus Nora Ravi Ingrid Pavel Mina Hugo Iris Boris Tess Milo "
    "Cleo Otis Nils Vlad Juno Adam Alex Amy Andrew Arthur Barbara Brian Charlie Chris Clara Daniel Eric Eva Felix George Hannah "
    "Isabel Jack Jacob James Jim Joe Jonas Julia Kevin Lily Linda Lisa Louis Lucy Luis Mark Martin Mary Matt Michael Mohamed "
    "Nick Oliver Oscar Patrick Rachel Robert Robin Ryan Sara Simon Sophie Steve Susan Theo Thomas Tim Victor Anton Dmitri Natasha"
)

# Goods as they are ordered in number, and the form that goes with one (empty: the same).
_GOODS = _words(
    "coffee: tea: milk: bread: butter: cheese: rice: pasta: sugar: salt: honey: water: juice: chocolate: pizza:pizza "
    "apples:apple bananas:banana oranges:orange eggs:egg cookies:cookie cakes:cake pens:pen pencils:pencil notebooks:notebook "
    "books:book chairs:chair tables:table lamps:lamp shirts:shirt shoes: socks: hats:hat bags:bag phones:phone cables:cable "
    "batteries:battery mugs:mug plates:plate cups:cup keyboards:keyboard monitors:monitor lemons:lemon tomatoes:tomato "
    "potatoes:potato carrots:carrot onions:onion mangoes:mango pears:pear grapes: cherries: flowers:flower candles:candle "
    "pillows:pillow towels:towel blankets:blanket clocks:clock mirrors:mirror boxes:box bottles:bottle glasses: spoons:spoon "
    "forks:fork knives:knife bikes:bike cameras:camera laptops:laptop printers:printer tickets:ticket toys:toy balls:ball "
    "umbrellas:umbrella jackets:jacket gloves: scarves:scarf pizzas:pizza burgers:burger sandwiches:sandwich salads:salad "
    "donuts:donut muffins:muffin widgets:widget stickers:sticker posters:poster magnets:magnet headphones: speakers:speaker "
    "envelopes:envelope stamps:stamp folders:folder markers:marker erasers:eraser rulers:ruler scissors: staplers:stapler "
    "strawberries:strawberry blueberries:blueberry raspberries:raspberry blackberries:blackberry peaches:peach plums:plum "
    "melons:melon watermelons:watermelon pineapples:pineapple limes:lime kiwis:kiwi apricots:apricot figs:fig"
)
ITEMS = tuple(entry.split(":")[0] for entry in _GOODS)
SINGULAR = {plural: one or plural for plural, one in (entry.split(":") for entry in _GOODS)}

STATUSES = (
    "preparing",
    "processing",
    "packed",
    "shipped",
    "delivered",
    "cancelled",
    "pending",
    "delayed",
    "returned",
    "confirmed",
    "on its way",
    "in transit",
    "out for delivery",
    "waiting for payment",
)
ORDER_ERRORS = ("out of stock", "unknown item", "payment failed", "not found")

DEFINITIONS = {
    "vLLM": "vLLM is an engine that serves language models fast.",
    "Ray": "Ray is a system that runs Python programs on many machines.",
    "Ray Serve": "Ray Serve is a library that scales model serving over many replicas.",
    "Ossature": "Ossature is a self-hosted cluster that serves open-weight models to many organizations.",
    "LoRA": "LoRA fine-tunes a model by training small extra matrices.",
    "a token": "A token is a small piece of text that a model reads or writes.",
    "an embedding": "An embedding is a list of numbers that stands for a meaning.",
    "a tool call": "A tool call is a request from the model to run a function.",
    "an API key": "An API key is a secret that proves who is calling.",
    "a GPU": "A GPU is a chip that does many calculations at once.",
    "JSON": "JSON is a text format for structured data.",
    "gRPC": "gRPC is a way for programs to call each other over a network.",
    "streaming": "Streaming sends the answer piece by piece.",
    "prefix caching": "Prefix caching reuses work for prompts that start the same way.",
    "Python": "Python is a popular programming language.",
}
CAPITALS = {
    "France": "Paris",
    "Germany": "Berlin",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Japan": "Tokyo",
    "China": "Beijing",
    "Canada": "Ottawa",
    "Norway": "Oslo",
    "Sweden": "Stockholm",
    "Poland": "Warsaw",
    "Greece": "Athens",
    "Egypt": "Cairo",
    "India": "New Delhi",
    "Brazil": "Brasilia",
    "Austria": "Vienna",
    "Portugal": "Lisbon",
    "Ireland": "Dublin",
    "Russia": "Moscow",
}

COMMON = _words(
    "the of and to in is that for it as was on are with they be at one have this from or had by but not what all were when there "
    "can an your which their if do will each how them then she many some so these would other into has more her two like him see "
    "time could no make than first been its who now people my made over did down only way find use may long little very after "
    "words called just where most know get through back much before go good new write our me man too any day same right look "
    "think also around another came come work three word must because does part even place well such here take why things help "
    "put years different away again off went old number great tell men say small every found still between name should home big "
    "give air line set own under read last never us left end along while might next sound below saw something thought both few "
    "those always looked show large often together asked house world going want school important until form food keep children "
    "feet land side without boy once animals life enough took sometimes four head above kind began almost live page got earth "
    "need far hand high year mother light parts country father let night following picture being study second eyes soon times "
    "story boys since white days ever paper hard near sentence better best across during today others however sure means knew "
    "told young miles sun ways thing whole hear example heard several change answer room sea against top turned learn point city "
    "play toward five using himself usually haiku moon poem code capital weather order shop user assistant customer policy"
)
