"""Made-up molecules: lines of SMILES to learn from, and labelled ones.

A molecule is a core of rings with two branches. One is polar (an alcohol, an amine, an acid, an
amide); the other is not, and may end in another ring, so that there are many scaffolds. A chain of
none to two carbons stands before each branch.

    corpus.smi   SMILES and a name in each line; cores are aromatic or not
    labels.csv   aromatic cores only; the label is 1 where the polar branch stands on the core
                 itself, and the chain before the other one: both classes have the same atoms
"""

import random

SEED = 11
CORPUS, LABELLED = 500, 240
AROMATIC = (
    *("c1cc({0})ccc1{1}", "c1c({0})cccc1{1}", "c1cc({0})cnc1{1}", "c1c({0})sc({1})c1"),
    *("c1ccc2c({0})cc({1})cc2c1", "c1cc({0})ccc1-c2ccc({1})cc2", "c1cc({0})c2cc({1})ccc2n1"),
    *("o1c({0})ccc1{1}", "c1nc({0})ncc1{1}"),
)
OTHERS = ("C1CC({0})CCC1{1}", "C1COC({0})C1{1}", "C1CC({0})CN1{1}", "C(C{0})C{1}")
POLAR = ("O", "N", "C(=O)O", "C(N)=O")
PLAIN = ("C", "CC", "C(C)C", "F", "Cl", "OC", "C(F)(F)F", "C#N", "SC")
RINGS = ("c3ccccc3", "C3CCCC3", "C3CC3", "c3ccncc3", "c3ccco3", "C3CCOCC3", "c3cc4ccccc4cc3")
CHAINS = ("C", "CC")


class _Draw:
    def __init__(self, purpose: str) -> None:
        self._rng = random.Random(f"{SEED} {purpose}")

    def chance(self, share: float) -> bool:
        return self._rng.random() < share

    def one(self, items: tuple[str, ...]) -> str:
        return items[int(self._rng.random() * len(items))]


def _made(draw: _Draw, core: str, near: bool) -> str:
    """A molecule whose polar branch stands on the core, or whose other one does."""
    plain = draw.one(RINGS) if draw.chance(0.6) else draw.one(PLAIN)
    chain = draw.one(CHAINS)
    branches = [draw.one(POLAR), chain + plain] if near else [chain + draw.one(POLAR), plain]
    if draw.chance(0.5):
        branches.reverse()
    return core.format(*branches)


def files() -> dict[str, str]:
    """Text of each file by its name below the folder of samples."""
    draw, seen = _Draw("labels"), set[str]()
    rows = ["id,smiles,label"]
    while len(rows) <= LABELLED:
        near = len(rows) % 2 == 0
        smiles = _made(draw, draw.one(AROMATIC), near)
        if smiles not in seen:
            seen.add(smiles)
            rows.append(f"t{len(rows):03d},{smiles},{int(near)}")
    draw = _Draw("corpus")
    lines: list[str] = []
    while len(lines) < CORPUS:
        smiles = _made(draw, draw.one(AROMATIC + OTHERS), draw.chance(0.5))
        if smiles not in seen:
            seen.add(smiles)
            lines.append(f"{smiles} m{len(lines) + 1:03d}")
    return {
        "molecule/corpus.smi": "\n".join(lines) + "\n",
        "molecule/labels.csv": "\n".join(rows) + "\n",
    }
