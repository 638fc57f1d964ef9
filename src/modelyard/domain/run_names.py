"""Names for runs that come without one: adjective-animal-number."""

from __future__ import annotations

# fmt: off
_ADJECTIVES = (
    "able", "amber", "ample", "brave", "bright", "brisk", "calm", "candid", "clever", "crisp", "daring", "deft",
    "eager", "early", "fair", "famous", "fine", "fleet", "fond", "gentle", "glad", "golden", "grand", "handy",
    "happy", "hardy", "honest", "humble", "keen", "kind", "lively", "lucky", "mellow", "merry", "mighty",
    "modest", "neat", "nimble", "noble", "patient", "placid", "polite", "proud", "quick", "quiet", "rapid",
    "ready", "robust", "rosy", "serene", "sharp", "silent", "sincere", "smooth", "stately", "steady", "sturdy",
    "sunny", "swift", "tidy", "upbeat", "valiant", "vivid", "warm", "wise", "witty", "zesty",
)
# fmt: on
# fmt: off
_ANIMALS = (
    "ant", "badger", "bass", "bat", "bear", "beaver", "bee", "bison", "boar", "bug", "carp", "cat", "cod", "colt",
    "crab", "crane", "crow", "cub", "deer", "dog", "dove", "duck", "eagle", "eel", "elk", "ewe", "falcon",
    "finch", "fish", "flea", "fly", "foal", "fowl", "fox", "frog", "gnat", "goat", "goose", "grouse", "gull",
    "hare", "hawk", "hen", "hog", "horse", "hound", "jay", "kit", "koi", "lamb", "lark", "loon", "lynx", "mare",
    "mink", "mole", "moose", "moth", "mouse", "mule", "newt", "owl", "ox", "panda", "perch", "pig", "pug",
    "quail", "ram", "rat", "ray", "robin", "rook", "seal", "shad", "shark", "sheep", "shrew", "shrike", "skunk",
    "slug", "smelt", "snail", "snake", "sow", "squid", "squirrel", "stag", "stork", "swan", "tern", "toad",
    "trout", "vole", "wasp", "whale", "wolf", "worm", "wren", "yak", "zebra",
)
# fmt: on


def make(number: int) -> str:
    """The name that belongs to a number of any size, drawn by the caller; easy to say, not unique."""
    number, adjective = divmod(number, len(_ADJECTIVES))
    number, animal = divmod(number, len(_ANIMALS))
    return f"{_ADJECTIVES[adjective]}-{_ANIMALS[animal]}-{number % 1000}"
