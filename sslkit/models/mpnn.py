"""Message passing encoder: tokens hear from the tokens that they are linked to.

For molecules as graphs, whose atoms are tokens and whose bonds are links. In every block a token
sums what its neighbours say, each told apart by the kind of its link, and lets its own state gate
the sum (messages of Gilmer et al. 2017, eq. 1, which know the kind of a link as those of Hu et al.
2020 do). The learned vector that stands before the first token is linked to all of them: it hears
their sum over the root of their number, and tells each of them, so that far ends of a record know
of each other and all know how large it is (the master node of Gilmer et al. 2017, section 5.2).
Where a token stands in its row says nothing: states follow their tokens when these change places.

Shape suffixes: B rows, L tokens, N links of a token, D width; P the start vectors of all rows and
then their tokens end to end, without padding; E links, each in both directions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import to_float32
from sslkit.contracts.spec import Spec, ids
from sslkit.errors import UsageError
from sslkit.models import _blocks
from sslkit.types import Batch

VERSION = 1
TAKES = frozenset({"tokens", "links"})


@dataclass(frozen=True)
class Settings(_blocks.Shape):
    """Shape of the encoder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.causal:
            raise ValueError(
                "links lead both ways, and the objective forbids to know of later tokens; "
                "mlm and contrastive do not"
            )


class Model(_blocks.Blocks):
    """The encoder.

    Raises:
        UsageError: the domain has no links.
    """

    skips_padding = True

    def __init__(self, settings: Settings, spec: Spec) -> None:
        if "links" not in spec:
            raise UsageError(
                "model mpnn takes links between tokens, and these have none",
                do="of molecules their graphs have them: --domain molecule --set form=graph",
            )
        super().__init__(settings, spec, (_Block(settings, spec) for _ in range(settings.blocks)))
        self.settings = settings
        self._kinds = ids(spec, "links").size

    def with_start(self, batch: Batch, layer: int | None = None) -> Tensor:
        """See ``TokenEncoder``. The last block's states come after the final norm."""
        tokens = batch["tokens"]
        last = self.depth if layer is None else layer
        graph = _Graph(batch["links"], batch["length"], self._kinds)
        held = functional.embedding(tokens.flatten()[graph.index], self.table())
        x_pd = torch.cat([self.start.expand(len(tokens), -1), held])
        if torch.is_autocast_enabled(tokens.device.type):
            x_pd = x_pd.to(torch.get_autocast_dtype(tokens.device.type))
        for block in self.blocks[:last]:
            x_pd = self.through(block, x_pd, graph)
        if last == self.depth:
            x_pd = self.norm(x_pd, None)
        return graph.spread(x_pd, tokens.shape)


class _Graph:
    """Who hears whom.

    Attributes:
        index: where in [B * L] each token stands, [tokens].
        row: of each token, [tokens].
        source, target: who is heard by whom, into P, [E].
        kind: of the link, [E].
        root: of the number of tokens of each row, [B, 1].
    """

    def __init__(self, links_bln: Tensor, length: Tensor, kinds: int) -> None:
        rows, columns, _ = links_bln.shape
        inside = torch.arange(columns, device=length.device) < length[:, None]
        self.index = inside.flatten().nonzero()[:, 0]
        self.row = self.index.div(columns, rounding_mode="floor")
        links = links_bln.flatten(0, 1)[self.index]
        token, _ = place = (links >= 0).nonzero(as_tuple=True)
        said = links[place]
        self.kind = said.remainder(kinds)
        # Starts stand before all tokens, and tokens of one row stand together.
        first = rows + length.cumsum(0) - length
        self.source = first[self.row[token]] + said.div(kinds, rounding_mode="floor")
        self.target = rows + token
        self.root = length.clamp(min=1).sqrt()[:, None]

    def spread(self, x_pd: Tensor, shape: Sequence[int]) -> Tensor:
        """Start vectors and tokens as [B, 1 + L, D]; 0 at padding."""
        rows, columns = shape
        place = self.index + self.row + 1
        start = torch.arange(rows, device=place.device) * (columns + 1)
        whole = x_pd.new_zeros(rows * (columns + 1), x_pd.shape[1])
        return whole.index_copy(0, torch.cat([start, place]), x_pd).view(rows, columns + 1, -1)


class _Block(_blocks.Block):
    norm_mixer: nn.Module
    enter: nn.Linear
    kinds: nn.Embedding
    out: nn.Linear

    def __init__(self, settings: Settings, spec: Spec) -> None:
        width = settings.width
        super().__init__(
            settings,
            norm_mixer=settings.normed(),
            enter=nn.Linear(width, 2 * width, bias=False),
            kinds=nn.Embedding(ids(spec, "links").size, width),
            out=nn.Linear(width, width, bias=False),
        )

    def forward(self, x_pd: Tensor, graph: _Graph) -> Tensor:
        value_pd, gate_pd = self.enter(self.norm_mixer(x_pd, None)).chunk(2, dim=-1)
        # Sums of many are taken in float32 under autocast too.
        value_pd = to_float32(value_pd)
        rows = len(graph.root)
        said_ed = functional.silu(value_pd.index_select(0, graph.source) + self.kinds(graph.kind))
        heard_pd = torch.zeros_like(value_pd).index_add(0, graph.target, said_ed)
        all_bd = value_pd.new_zeros(rows, value_pd.shape[1])
        all_bd = all_bd.index_add(0, graph.row, value_pd[rows:]) / graph.root
        told = value_pd.index_select(0, graph.row)
        mixed_pd = heard_pd + torch.cat([all_bd, told])
        mixed_pd = mixed_pd.to(gate_pd.dtype) * functional.silu(gate_pd)
        return self.finished(x_pd, self.out(mixed_pd), None)
