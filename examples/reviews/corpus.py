"""Short reviews of cafes, made from word lists: as many as are wanted, always the same, nothing to download."""

from __future__ import annotations

import random
from dataclasses import dataclass

THINGS = (
    "coffee", "espresso", "cappuccino", "tea", "cake", "croissant", "sandwich", "soup", "salad", "breakfast", "brunch",
    "bread", "pastry", "chocolate", "juice", "staff", "service", "waiter", "barista", "music", "seating", "terrace",
    "counter", "window", "menu", "lighting", "decor", "atmosphere", "toilet", "queue",
)  # fmt: skip
GOOD = (
    "good", "great", "excellent", "lovely", "delicious", "fresh", "friendly", "cosy", "charming", "perfect",
    "wonderful", "superb", "tasty", "fantastic", "pleasant", "warm", "quick", "attentive", "beautiful", "generous",
    "crisp", "creamy", "memorable", "fair", "spotless",
)  # fmt: skip
BAD = (
    "bad", "awful", "terrible", "stale", "bland", "rude", "slow", "dirty", "cold", "noisy", "overpriced",
    "disappointing", "burnt", "soggy", "bitter", "greasy", "cramped", "dull", "unfriendly", "watery", "dry", "sticky",
    "chaotic", "tasteless", "mediocre",
)  # fmt: skip
VERY = ("", "", "very ", "really ", "quite ", "rather ", "so ", "truly ", "remarkably ")
OPINIONS = (
    "the {thing} was {very}{word}.",
    "{very}{word} {thing}!",
    "i found the {thing} {very}{word}.",
    "we had a {very}{word} {thing}.",
    "honestly the {thing} is {very}{word} here.",
    "what a {word} {thing}!",
)
TURNED = ("the {thing} was not {word} at all.", "i would never call the {thing} {word}.", "{thing} far from {word}.")
FACTS = (
    "we came on a {day} in the {time}.",
    "it is near the {place}.",
    "my {person} ordered the {thing}.",
    "there were {number} people before us.",
    "i come here every {day}.",
    "they take cards.",
    "we sat by the door.",
)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TIMES = ("morning", "afternoon", "evening")
PLACES = ("station", "park", "market", "library", "river", "church", "museum", "school")
PEOPLE = ("friend", "sister", "brother", "colleague", "neighbour", "mother", "son")
NUMBERS = ("two", "three", "five", "ten")
ENDINGS = {
    True: ("will come back!", "highly recommended.", "five stars.", "worth every cent.", "", ""),
    False: ("never again.", "avoid this place.", "one star.", "a waste of money.", "", ""),
}


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody wrote, and whether they were pleased."""

    text: str
    good: bool


def reviews(count: int, seed: int = 0) -> list[Review]:
    """So many reviews, half of them good. One in eight opinions goes against the rest, as with people."""
    chance = random.Random(seed)
    return [Review(_text(chance, good=bool(number % 2)), bool(number % 2)) for number in range(count)]


def _text(chance: random.Random, *, good: bool) -> str:
    sentences = [_opinion(chance, good=good) for _ in range(chance.randint(2, 5))]
    sentences += [_fact(chance) for _ in range(chance.randint(0, 3))]
    chance.shuffle(sentences)
    return " ".join([*sentences, chance.choice(ENDINGS[good])]).strip().capitalize()


def _opinion(chance: random.Random, *, good: bool) -> str:
    if chance.random() < 0.125:
        good = not good
    turned = chance.random() < 0.1  # "not good at all"
    word = chance.choice(GOOD if good is not turned else BAD)
    form = chance.choice(TURNED if turned else OPINIONS)
    return form.format(thing=chance.choice(THINGS), word=word, very=chance.choice(VERY))


def _fact(chance: random.Random) -> str:
    return chance.choice(FACTS).format(
        day=chance.choice(DAYS), time=chance.choice(TIMES), place=chance.choice(PLACES),
        person=chance.choice(PEOPLE), thing=chance.choice(THINGS), number=chance.choice(NUMBERS),
    )  # fmt: skip
