"""Sentences in two made-up languages, a pair in each line: train.tsv and test.tsv.

A sentence says who does what to whom, how the one and the other are, and where. The second language
has other words, puts what a thing is like behind it, the verb at the end, and one ending for all
that is said of something. Written by ``make.py``.
"""

import random

SEED = 20
SIZES = {"train": 600, "test": 100}
KINDS = {"thing": 40, "like": 16, "does": 20, "place": 12}
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
DESCRIBED, PLACED = 0.6, 0.5


def files() -> dict[str, str]:
    """The text of every file by its name."""
    draw = random.Random(f"{SEED} pairs").random

    def one(items: str) -> str:
        return items[int(draw() * len(items))]

    def words(syllables: int, taken: set[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for kind, count in KINDS.items():
            found[kind] = []
            while len(found[kind]) < count:
                word = "".join(one(CONSONANTS) + one(VOWELS) for _ in range(syllables))
                if word not in taken:
                    taken.add(word)
                    found[kind].append(word)
        return found

    taken = {"the", "in"}
    first, second = words(2, taken), words(3, taken)

    def said() -> tuple[str, str]:
        def number(kind: str) -> int:
            return int(draw() * KINDS[kind])

        here, there = [], []
        for _ in range(2):
            thing = number("thing")
            like = [number("like")] if draw() < DESCRIBED else []
            here.append(["the", *(first["like"][n] for n in like), first["thing"][thing]])
            there.append([second["thing"][thing] + "n", *(second["like"][n] + "n" for n in like)])
        verb = number("does")
        place = [number("place")] if draw() < PLACED else []
        one_way = [*here[0], first["does"][verb], *here[1]]
        one_way += [word for n in place for word in ("in", first["place"][n])]
        other_way = [second["place"][n] + "mi" for n in place]
        other_way += [*there[0], *there[1], second["does"][verb]]
        return " ".join(one_way), " ".join(other_way)

    seen: set[str] = set()
    found = {}
    for part, size in SIZES.items():
        lines: list[str] = []
        while len(lines) < size:
            sentence, translation = said()
            if sentence not in seen:
                seen.add(sentence)
                lines.append(f"{sentence}.\t{translation}.\n")
        found[f"pairs/{part}.tsv"] = "".join(lines)
    return found
