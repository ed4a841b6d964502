"""Small talk, names, definitions, counting: everything but the shop."""

from __future__ import annotations

import random

from models.demo import words
from models.demo.dialogue import Answer, Draft
from models.demo.words import phrases

# (what users say, the answer, the reasoning in front of it)
_FIXED: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        phrases(
            "Hello | Hi | Hey | Hello! | Hi there | Hi there! | Good morning | Good evening | Hi! | hello | hi | hey | "
            "Hello, how are you? | Hey there | Good day | Hello there! | Say hello | Say hello. | Say hi | Hello."
        ),
        "Hello! How can I help you today?",
        "The user greets me. I greet back.",
    ),
    (
        phrases("How are you? | How are you doing? | How is it going? | how are you | What's up? | Are you well?"),
        "I am fine, thank you! How can I help you?",
        "Small talk. I answer politely.",
    ),
    (
        phrases(
            "Who are you? | What are you? | What can you do? | what can you do? | What can you do for me? | who are you | "
            "Which model are you? | What model are you? | Tell me about yourself. | Introduce yourself. | What is your name? | "
            "How can you help me? | Can you help me? | help | Help me please | Are you ChatGPT? | Are you a human? | "
            "Are you a robot? | What do you do? | Who made you? | Who are you | What's your name? | "
            "Please introduce yourself. | Hello, who are you? | Hi, what can you do? | What is gpt-oss-demo? | "
            "Where are you running?"
        ),
        words.IDENTITY,
        "The user asks about me. I describe myself.",
    ),
    (
        phrases("Thanks | Thank you | Thank you! | Great, thanks | thanks! | Thanks a lot | Perfect, thank you. | Thanks!"),
        "You are welcome!",
        "The user thanks me.",
    ),
    (
        phrases("Bye | Goodbye | See you | bye | Good night | See you later! | Goodbye! | Bye!"),
        "Goodbye! Come back soon.",
        "The user leaves.",
    ),
    (
        phrases("Tell me a joke | Tell me a joke. | Do you know a joke? | Make me laugh. | A joke please"),
        words.JOKE,
        "The user wants a joke.",
    ),
    (
        phrases(
            "Tell me a story | Tell me a story. | Tell me a long story. | Write a story. | Write a short story | A story please"
        ),
        words.STORY,
        "The user wants a story.",
    ),
    (
        phrases("Write a haiku | Write a haiku. | Write a poem | Write a poem. | Write a haiku about the moon | A poem please"),
        words.HAIKU,
        "The user wants a poem.",
    ),
    (
        phrases("What can I buy? | What do you sell? | Which products do you have? | What is in the shop?"),
        "The demo shop sells food, clothes and things for the office. Tell me an item and a quantity.",
        "The user asks about the shop.",
    ),
)
_FIXED_SHARES = (5, 2, 10, 2, 2, 2, 2, 2, 1)

_NAME_PHRASES = phrases(
    "My name is {}. | I am {}. | Hi, I am {}. | my name is {} | Hello, my name is {}. | I'm {} | I'm {}. | Call me {}. | "
    "Hi, my name is {}! | My name is {} | Hi, my name is {}. | Hello! I'm {}. | My name is {}. Please remember it. | "
    "Hi! My name is {}. | Remember that my name is {}."
)
_NAME_QUESTIONS = phrases(
    "What is my name? | Do you remember my name? | Who am I? | what's my name? | Say my name. | Do you know my name? | "
    "What was my name? | What's my name? | Tell me my name. | What did I say my name was? | what is my name"
)
_DEFINITION_QUESTIONS = phrases(
    "What is {}? | what is {}? | Explain {}. | Can you explain {}? | Tell me about {}. | What does {} mean? | Define {}. | "
    "What is {} | Please explain {}."
)
_CAPITAL_QUESTIONS = phrases(
    "What is the capital of {}? | Capital of {}? | what is the capital of {}? | Tell me the capital of {}. | "
    "Which city is the capital of {}? | What's the capital of {}?"
)
_UNKNOWN_QUESTIONS = phrases(
    "Write {} | Who won {}? | Explain {} | Why is {}? | What will {}? | Solve {} | Write a poem about {} | Write code for {} | "
    "How do I {}? | Translate {} | {} | {}? | {}. | Give me {} | Tell me a story about {} | What is {}? | What is 7 + {}? | "
    "Calculate {} | When did {}? | Where is {}? | Summarize {} | Explain {} in one sentence. | What do you think of {}?"
)

COUNTS = (10, 20, 50, 100)
"""What the model is taught to count to."""

UNUSED_TEXT = "\u2603"
"""Stands in generated text for anything that the demo model has no row for; see ``harmony.py``."""


def random_words(rng: random.Random, count: int, unused_share: float = 0.35) -> str:
    return " ".join(UNUSED_TEXT if rng.random() < unused_share else rng.choice(words.COMMON) for _ in range(count))


def small_talk(draft: Draft) -> Answer:
    """A greeting, a question about the model, a definition, a capital, or something that the model can't answer."""
    rng = draft.rng
    roll = rng.random()
    if roll < 0.55:
        ((questions, answer, analysis),) = rng.choices(_FIXED, weights=_FIXED_SHARES)
        draft.user(rng.choice(questions))
        return Answer(analysis, answer)
    if roll < 0.68:
        subject = rng.choice(list(words.DEFINITIONS))
        draft.user(rng.choice(_DEFINITION_QUESTIONS).format(subject))
        return Answer("The user wants a definition.", words.DEFINITIONS[subject])
    if roll < 0.76:
        country = rng.choice(list(words.CAPITALS))
        draft.user(rng.choice(_CAPITAL_QUESTIONS).format(country))
        return Answer("The user asks for a capital.", f"The capital of {country} is {words.CAPITALS[country]}.")
    draft.user(rng.choice(_UNKNOWN_QUESTIONS).format(random_words(rng, rng.randint(1, 12))))
    return Answer("I do not know this. I say so.", words.UNKNOWN_TOPIC)


def introduce(draft: Draft) -> Answer:
    """The user says a name."""
    name = draft.rng.choice(words.NAMES)
    draft.user(draft.rng.choice(_NAME_PHRASES).format(name))
    return Answer(f"The user is {name}. I greet.", f"Nice to meet you, {name}!")


def recall_name(draft: Draft) -> Answer:
    """The user said a name some turns ago and asks for it."""
    rng = draft.rng
    greeting = introduce(draft)
    name = greeting.final.removeprefix("Nice to meet you, ").removesuffix("!")
    draft.assistant(greeting.final)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        draft.assistant(small_talk(draft).final)
    draft.user(rng.choice(_NAME_QUESTIONS))
    return Answer(f"The user told me the name {name}.", f"Your name is {name}.")


def recall_no_name(draft: Draft) -> Answer:
    """The user asks for a name that was never said."""
    draft.user(draft.rng.choice(_NAME_QUESTIONS))
    return Answer("The user did not tell me a name.", "You have not told me your name yet.")


def count(draft: Draft) -> Answer:
    """The user asks to count; a long answer of a known length."""
    last = draft.rng.choice(COUNTS)
    questions = phrases("Count to {b}. | Count to {b} | Count from 1 to {b}. | Please count to {b}. | Can you count to {b}?")
    draft.user(draft.rng.choice(questions).format(b=last))
    return Answer(f"I count to {last}.", ", ".join(map(str, range(1, last + 1))) + ".")
