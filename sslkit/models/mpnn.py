"""Message passing encoder: tokens hear from the tokens that they are linked to.

For molecules as graphs, whose atoms are tokens and whose bonds are links. In every block a token
sums what its neighbours say, each told apart by the kind of its link, and lets its own state gate
the sum (messages of Gilmer et al. 2017, eq. 1, which know the kind of a link as those of Hu et al.
2020 do). The learned vector that stands before the first token is linked to all of them: it hears
their sum over the root of their number, and tells each of them, so that far ends of a record know
of each other and all know how large it is (the master node of Gilmer et al. 2017, section 5.2).
Where a token stands in its row says nothing: states follow their tokens when these change places.

Shape suffixes: B rows, L tokens and the start vector, N links of a token, D width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.errors import UsageError
from sslkit.models import _blocks
from sslkit.types import TokenSpec

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

    linked = True

    def __init__(self, settings: Settings, spec: TokenSpec) -> None:
        if not spec.links:
            raise UsageError(
                "model mpnn takes links between tokens, and these have none",
                do="of molecules their graphs have them: --domain molecule --set form=graph",
            )
        super().__init__(settings, spec, (_Block(settings, spec) for _ in range(settings.blocks)))
        self.settings = settings

    def forward(
        self,
        tokens: Tensor,
        length: Tensor,
        layer: int | None = None,
        start: bool = False,
        links: Tensor | None = None,
    ) -> Tensor:
        """Hidden states [B, L, D]; see ``Encoder``. The last block's come after the final norm.

        Args:
            links: [B, tokens, N], as ``contracts.TokenDomain`` has them.
        """
        if links is None:
            raise ValueError("a message passing encoder takes links")
        last = self.depth if layer is None else layer
        x_bld = torch.cat(
            [self.start.expand(len(tokens), 1, -1), functional.embedding(tokens, self.table())],
            dim=1,
        )
        if torch.is_autocast_enabled(tokens.device.type):
            x_bld = x_bld.to(torch.get_autocast_dtype(tokens.device.type))
        graph = _Graph(links, length, self.spec.links)
        for block in self.blocks[:last]:
            x_bld = self.through(block, x_bld, graph)
        if last == self.depth:
            x_bld = self.norm(x_bld, graph.inside)
        return x_bld if start else x_bld[:, 1:]


class _Graph:
    """Who hears whom.

    Attributes:
        place: [B * tokens * N], where in [B * L] the state is that is heard.
        kind: [B, tokens, N], of the link; the number of kinds where there is no link.
        none: [B, tokens, N, 1], True where there is no link.
        inside: [B, L, 1], False at padding; None where there is none.
        real: [B, tokens, 1] float32, 1 at tokens, 0 at padding.
        length: [B, 1, 1].
    """

    def __init__(self, links: Tensor, length: Tensor, kinds: int) -> None:
        rows, columns, _ = links.shape
        none = links < 0
        # The start vector stands before them.
        column = links.div(kinds, rounding_mode="floor").masked_fill(none, 0) + 1
        first = torch.arange(rows, device=links.device) * (columns + 1)
        self.place = (column + first[:, None, None]).flatten()
        self.kind = torch.where(none, kinds, links.remainder(kinds))
        self.none = none[..., None]
        self.inside = _blocks.within(length, columns + 1)
        position = torch.arange(columns, device=links.device)
        self.real = (position < length[:, None])[..., None].float()
        self.length = length.clamp(min=1)[:, None, None]


class _Block(_blocks.Block):
    norm_mixer: nn.Module
    enter: nn.Linear
    kinds: nn.Embedding
    out: nn.Linear

    def __init__(self, settings: Settings, spec: TokenSpec) -> None:
        width = settings.width
        super().__init__(
            settings,
            norm_mixer=settings.normed(),
            enter=nn.Linear(width, 2 * width, bias=False),
            kinds=nn.Embedding(spec.links + 1, width),
            out=nn.Linear(width, width, bias=False),
        )

    def forward(self, x_bld: Tensor, graph: _Graph) -> Tensor:
        value_bld, gate_bld = self.enter(self.norm_mixer(x_bld, graph.inside)).chunk(2, dim=-1)
        heard = value_bld.flatten(0, 1).index_select(0, graph.place)
        heard_blnd = heard.view(*graph.kind.shape, -1) + self.kinds(graph.kind)
        said_bld = functional.silu(heard_blnd).masked_fill(graph.none, 0.0).sum(2)
        # Filled, not multiplied by zero: NaN times zero is NaN.
        own_bld = value_bld[:, 1:].masked_fill(graph.real == 0, 0.0)
        all_b1d = own_bld.sum(1, keepdim=True) / graph.length.sqrt()
        mixed = torch.cat([all_b1d, said_bld + value_bld[:, :1]], dim=1)
        mixed = mixed.to(gate_bld.dtype) * functional.silu(gate_bld)
        return self.finished(x_bld, self.out(mixed), graph.inside)
