"""What is spoken to the recognizer: orders, commands and open language, in words as a transcript has them (no digits)."""

from __future__ import annotations

from typing import Final

SENTENCES: Final = (
    "i would like to order four hundred strawberries",
    "please deliver them tomorrow morning",
    "how much does that cost altogether",
    "no wait make that two hundred instead",
    "can you repeat the address please",
    "what is the weather like in london today",
    "turn off the lights in the kitchen",
    "set a timer for ten minutes",
    "the meeting has been moved to friday afternoon",
    "i am looking for a quiet place to work",
    "she opened the window and looked at the garden",
    "my brother lives in a small house near the river",
    "could you tell me when the next train leaves",
    "we need three bottles of water and some bread",
    "the doctor said it would be better in a week",
    "play some music from the seventies",
    "i have never been to this part of the country",
    "remind me to call my mother on sunday",
    "this machine does not work any more",
    "he wrote a long letter to the company",
    "is there a bank close to the station",
    "the children were playing in the street",
    "send a message to the whole team",
    "that is all thank you very much",
)
