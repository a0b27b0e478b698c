"""Families of made-up proteins, each evolved from an ancestor, and variants of one of them.

Every site of a family has a rate of its own. A third of the sites never change; the others change
mostly to residues of the same kind. Two pairs of sites, far apart, hold opposite charges: where one
changes its sign, so does the other. Members begin as copies of an earlier one, so that some are
close relatives; a loop of some members lacks three residues, and one of others has two more.

    family_1.sto, family_2.afa, family_3.a3m    alignments in three formats
    wild.fasta                                  a member of the first family
    variants.csv                                single substitutions of it, each with a fitness:
                                                what a change costs grows as its site's rate falls
"""

import random

SEED = 7
FAMILIES, MEMBERS, SITES = 3, 32, 60
VARIANTS = 120
KINDS = ("AVILMC", "STNQ", "FWY", "GP")
POSITIVE, NEGATIVE = "KRH", "DE"
#: Sites of opposite charges, and where loops lack residues and have more.
PAIRS = ((8, 41), (17, 53))
LOOP, INSERTION = range(28, 31), 47
RATES = (0.0, 0.04, 0.15)


class _Draw:
    def __init__(self, purpose: str) -> None:
        self._rng = random.Random(f"{SEED} {purpose}")

    def chance(self, share: float) -> bool:
        return self._rng.random() < share

    def one(self, letters: str) -> str:
        return letters[self.below(len(letters))]

    def below(self, size: int) -> int:
        return int(self._rng.random() * size)


def _changed(draw: _Draw, residue: str) -> str:
    """Another residue, mostly of the same kind."""
    near = next((kind for kind in KINDS if residue in kind), "".join(KINDS))
    letters = (near if draw.chance(0.8) else "".join(KINDS)).replace(residue, "")
    return draw.one(letters)


def _family(draw: _Draw) -> tuple[list[str], list[float]]:
    """Members without gaps, the ancestor first, and the rate of each site."""
    rates = [RATES[draw.below(3)] for _ in range(SITES)]
    ancestor = [draw.one("".join(KINDS)) for _ in range(SITES)]
    for first, second in PAIRS:
        ancestor[first], ancestor[second] = draw.one(POSITIVE), draw.one(NEGATIVE)
    members = [ancestor]
    while len(members) < MEMBERS:
        made = list(members[draw.below(len(members))])
        for site, rate in enumerate(rates):
            if site not in {end for pair in PAIRS for end in pair} and draw.chance(rate):
                made[site] = _changed(draw, made[site])
        for pair in PAIRS:
            if draw.chance(0.3):
                ends = (NEGATIVE, POSITIVE) if made[pair[0]] in POSITIVE else (POSITIVE, NEGATIVE)
                for site, letters in zip(pair, ends, strict=True):
                    made[site] = draw.one(letters)
        members.append(made)
    return ["".join(member) for member in members], rates


def _variants(draw: _Draw, wild: str, rates: list[float]) -> str:
    paired = {end for pair in PAIRS for end in pair}
    rows = ["id,sequence,fitness"]
    while len(rows) <= VARIANTS:
        site = draw.below(SITES)
        other = draw.one("".join(KINDS) + POSITIVE + NEGATIVE)
        name = f"{wild[site]}{site + 1}{other}"
        if other == wild[site] or any(row.startswith(f"{name},") for row in rows):
            continue
        alike = any(wild[site] in kind and other in kind for kind in (*KINDS, POSITIVE, NEGATIVE))
        rate = 0.0 if site in paired else rates[site]
        cost = (1 - rate / max(RATES)) * (0.6 if alike else 1.0)
        fitness = -cost + 0.1 * (draw.below(1000) / 1000 - 0.5)
        rows.append(f"{name},{wild[:site]}{other}{wild[site + 1 :]},{fitness:.3f}")
    return "\n".join(rows) + "\n"


def files() -> dict[str, str]:
    """Text of each file by its name below the folder of samples."""
    made: dict[str, str] = {}
    for number, ending in enumerate(("sto", "afa", "a3m"), 1):
        draw = _Draw(f"family {number}")
        members, rates = _family(draw)
        rows: list[tuple[str, str]] = []
        for place, member in enumerate(members, 1):
            row = member
            if place > 1 and draw.chance(0.3):
                row = row[: LOOP.start] + "-" * len(LOOP) + row[LOOP.stop :]
            if ending == "a3m" and place > 1 and draw.chance(0.2):
                inserted = draw.one("GSN") + draw.one("GSN")
                row = row[:INSERTION] + inserted.lower() + row[INSERTION:]
            rows.append((f"F{number}_{place}", row))
        if ending == "sto":
            body = "".join(f"{name:8}{row.replace('-', '.')}\n" for name, row in rows)
            text = f"# STOCKHOLM 1.0\n#=GF ID family_{number}\n{body}//\n"
            made["protein/wild.fasta"] = f">F{number}_1\n{members[0]}\n"
            made["protein/variants.csv"] = _variants(draw, members[0], rates)
        else:
            text = "".join(f">{name}\n{row}\n" for name, row in rows)
        made[f"protein/family_{number}.{ending}"] = text
    return made
