"""One layer of factored attention: which columns of an alignment know of each other.

Bhattacharya et al. 2021, "Single layers of attention suffice to predict protein contacts": queries
and keys come from the site alone, the column of its family that a token stands at, and values from
the tokens, so that a head has one map for all sequences of a family. Query, key and value matrices
are the same for all families. A token is never told of itself: what masked modelling learns is what
other columns say of it, and maps of columns that touch in space stand out.

So it knows the families that it was trained on, and of others nothing. As all rows of a family have
the same sites, their map is made once, and where they are many, also what every token at every
column says to every column, which rows then only add up.

Shape suffixes: B rows, L tokens, H heads, K width of a head, T kinds of tokens, V width of a value,
D width; R the rows of a group that have the same sites; I those who look, J what is looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import TokenEncoder
from sslkit.contracts.spec import Spec, ids, token_ids
from sslkit.errors import UsageError
from sslkit.types import Batch

VERSION = 1
TAKES = frozenset({"tokens", "sites"})

#: Most numbers at once of what all tokens say at all columns.
_SAID = 2**26
#: Smaller vectors of sites begin with maps that are alike, and heads are slow to part.
_SITE_STD, _VALUE_STD = 0.5, 0.05


@dataclass(frozen=True)
class Settings:
    """Shape of the encoder."""

    heads: int = field(default=64, metadata={"help": "attention heads"})
    head_width: int = field(default=32, metadata={"help": "numbers of a query and of a key"})
    site_width: int = field(default=128, metadata={"help": "numbers per site"})
    value_width: int = field(default=32, metadata={"help": "numbers that a token says to a head"})
    width: int = field(default=128, metadata={"help": "numbers per token"})

    def __post_init__(self) -> None:
        for name in ("heads", "head_width", "site_width", "value_width", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")


class Model(TokenEncoder):
    """The encoder; layer 0 is what a token says where all heads look at it.

    Raises:
        UsageError: the domain has no sites.
    """

    depth = 1
    skips_padding = True

    def __init__(self, settings: Settings, spec: Spec) -> None:
        if "sites" not in spec:
            raise UsageError(
                "model factored takes columns of alignments, and these tokens have none",
                do="read the rows of alignments with their gaps: "
                "--domain protein --set aligned=true",
            )
        super().__init__()
        self.settings = settings
        self.width = settings.width
        kinds = token_ids(spec).total
        self.value_table = nn.Parameter(torch.empty(settings.heads, kinds, settings.value_width))
        self.start = nn.Parameter(torch.empty(settings.width))
        self.block = _Block(settings, spec)
        self.out = nn.Linear(settings.value_width, settings.width)
        self.norm = nn.LayerNorm(settings.width)
        nn.init.normal_(self.value_table, std=_VALUE_STD)
        nn.init.normal_(self.start, std=0.02)

    def with_start(self, batch: Batch, layer: int | None = None) -> Tensor:
        """See ``TokenEncoder``. The last states come after the norm."""
        tokens = batch["tokens"]
        if layer == 0:
            x_blv = functional.embedding(tokens, self.value_table.sum(0))
        else:
            x_blv = self._heard(tokens, batch["length"], batch["sites"])
        x_bld: Tensor = self.out(x_blv)
        x_bld = torch.cat([self.start.to(x_bld.dtype).expand(len(tokens), 1, -1), x_bld], dim=1)
        if layer != 0:
            x_bld = self.norm(x_bld)
        return x_bld

    def _heard(self, tokens: Tensor, length: Tensor, sites: Tensor) -> Tensor:
        """What tokens hear, [B, L, V]; 0 at padding."""
        order, found = [], []
        for rows, own in _alike(sites, length):
            x_rlv = self.through(self.block, own, tokens[rows, : len(own)], self.value_table)
            order.append(rows)
            found.append(functional.pad(x_rlv, (0, 0, 0, tokens.shape[1] - len(own))))
        return torch.cat(found)[torch.cat(order).argsort()]

    @torch.no_grad()
    def attentions(self, batch: Batch) -> Tensor:
        """See ``contracts.encoder.Attentive``."""
        sites = batch["sites"]
        rows, columns = sites.shape
        found = torch.zeros(rows, 1, self.settings.heads, columns, columns, device=sites.device)
        for row, own in _alike(sites, batch["length"]):
            size = len(own)
            found[row, 0, :, :size, :size] = self.block.maps(own).to(found.dtype)
        return found

    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        """Parameters from the input to the output, by name: what ``--freeze`` counts."""
        block = [*self.block.parameters(), *self.out.parameters()]
        return [
            ("embeddings", [self.start, self.value_table]),
            ("block 1", block),
            ("final norm", list(self.norm.parameters())),
        ]


class _Block(nn.Module):
    """Sites and their maps; ``site_profile_table`` is what a column says of its own token."""

    def __init__(self, settings: Settings, spec: Spec) -> None:
        super().__init__()
        self.heads = settings.heads
        wide = settings.heads * settings.head_width
        sites = ids(spec, "sites").size
        self.site_table = nn.Parameter(torch.empty(sites, settings.site_width))
        self.profile_table = nn.Parameter(torch.zeros(sites, settings.value_width))
        self.query = nn.Linear(settings.site_width, wide, bias=False)
        self.key = nn.Linear(settings.site_width, wide, bias=False)
        nn.init.normal_(self.site_table, std=_SITE_STD)

    def forward(self, sites: Tensor, tokens: Tensor, value_htv: Tensor) -> Tensor:
        """What the tokens [R, L] of rows at the same sites [L] hear, [R, L, V]."""
        maps, profile = self.maps(sites), functional.embedding(sites, self.profile_table)
        kinds, width = value_htv.shape[1:]
        if len(tokens) > kinds:
            heard = _added(maps, tokens, value_htv)
        else:
            said_hjrv = value_htv[:, tokens.T]
            flat = maps.permute(1, 0, 2).flatten(1) @ said_hjrv.reshape(-1, len(tokens) * width)
            heard = flat.view(len(sites), len(tokens), width).transpose(0, 1)
        return heard + profile

    def maps(self, sites: Tensor) -> Tensor:
        """How much each site looks at each other one, [H, L, L]; 0 for itself."""
        held = functional.embedding(sites, self.site_table)
        q_hlk, k_hlk = (
            part(held).unflatten(-1, (self.heads, -1)).transpose(0, 1)
            for part in (self.query, self.key)
        )
        scores = (q_hlk * q_hlk.shape[-1] ** -0.5) @ k_hlk.transpose(-1, -2)
        own = torch.eye(len(sites), dtype=torch.bool, device=sites.device)
        # Filled again: a site alone has none to look at.
        maps: Tensor = scores.masked_fill(own, -torch.inf).softmax(-1).masked_fill(own, 0.0)
        return maps


def _added(maps_hij: Tensor, tokens: Tensor, value_htv: Tensor) -> Tensor:
    """The same as one product, by way of what each kind of token at each column says; [R, I, V]."""
    length, (kinds, width) = maps_hij.shape[-1], value_htv.shape[1:]
    at = tokens + kinds * torch.arange(length, device=tokens.device)
    found = []
    most = max(1, _SAID // (length * kinds * width))
    for some in torch.split(maps_hij, most, dim=1):
        said_jtiv = torch.einsum("hij,htv->jtiv", some, value_htv)
        table = said_jtiv.reshape(length * kinds, -1)
        added = functional.embedding_bag(at, table, mode="sum")
        found.append(added.view(len(tokens), -1, width))
    return torch.cat(found, dim=1)


def _alike(sites: Tensor, length: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Numbers of the rows that have the same sites [rows], and these, without padding [sites]."""
    inside = torch.arange(sites.shape[1], device=sites.device) < length[:, None]
    known, group = torch.unique(sites.masked_fill(~inside, -1), dim=0, return_inverse=True)
    for number, own in enumerate(known):
        yield (group == number).nonzero()[:, 0], own[own >= 0]
