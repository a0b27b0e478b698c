"""A Potts model of one family by pseudo-likelihood: couplings between columns of an alignment.

Symmetric plmDCA with an L2 penalty (Ekeberg et al. 2013, eqs. 9 to 14): every column is predicted
of all others, fields and couplings of all columns at once. It is fitted by L-BFGS, and ends where
the loss no longer falls by much.

Shapes: N sequences, L columns, Q states, X = L Q.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslkit.probes.coevolution import GAP, STATES, Floats, States, one_hot

#: Factors of the squares of fields and of couplings beside the mean loss, as in the paper.
PENALTY = 0.01
_HISTORY = 10
#: The search ends where so many iterations bring less, in nats of a residue.
_STEP, _TOLERANCE = 10, 1e-3
_ITERATIONS = 200


@dataclass(frozen=True)
class Potts:
    """Fields [L, Q] and couplings [L, Q, L, Q], symmetric, 0 between a column and itself.

    Attributes:
        loss: the mean of minus the log pseudo-likelihood of a sequence, and the penalty.
        iterations: that were taken.
    """

    fields: npt.NDArray[np.float32]
    couplings: npt.NDArray[np.float32]
    loss: float
    iterations: int

    def strengths(self) -> Floats:
        """How strongly columns are coupled: Frobenius norms, [L, L].

        In the gauge in which couplings sum to 0 over the states of either column; the gap's row
        and column are left out, since gaps come in stretches.
        """
        held = self.couplings.astype(np.float64)
        held = held - held.mean(1, keepdims=True)
        held = held - held.mean(3, keepdims=True)
        inner = held[:, :GAP, :, :GAP]
        return np.asarray(np.sqrt((inner**2).sum((1, 3))))


def fit(
    held: States, weight: Floats, penalty: float = PENALTY, iterations: int = _ITERATIONS
) -> Potts:
    """The model of an alignment, [N, L], whose sequences count by ``weight``, [N]."""
    length = held.shape[1]
    hot = torch.from_numpy(one_hot(held))
    share = torch.from_numpy((weight / weight.sum()).astype(np.float32))
    # Fields of independent columns: what is left to find is between them.
    often = (share @ hot).view(length, STATES) + 1 / float(weight.sum())
    fields = torch.nn.Parameter((often / often.sum(1, keepdim=True)).log())
    fields.data -= fields.data.mean(1, keepdim=True)
    couplings = torch.nn.Parameter(torch.zeros(2 * (length * STATES,)))
    # Its own signs of an end are sizes of moves, and the first move is short.
    search: Any = torch.optim.LBFGS(
        [fields, couplings], max_iter=_STEP, max_eval=3 * _STEP, history_size=_HISTORY,
        tolerance_grad=0.0, tolerance_change=0.0, line_search_fn="strong_wolfe",
    )  # fmt: skip
    evaluate = _Evaluation(hot, share, fields, couplings, penalty)
    before = float(search.step(evaluate))
    for _ in range(_STEP, iterations, _STEP):
        now = float(search.step(evaluate))
        if before - now < _TOLERANCE * length:
            break
        before = now
    return Potts(
        fields.detach().numpy(),
        couplings.detach().view(length, STATES, length, STATES).numpy(),
        float(evaluate()),
        int(search.state[fields]["n_iter"]),
    )


@dataclass(frozen=True)
class _Evaluation:
    """The loss, and its gradient written to the parameters.

    Attributes:
        hot: [N, X]; ``share`` of each sequence in the mean, [N].
        fields: [L, Q]; ``couplings`` [X, X], kept symmetric by a symmetric gradient.
    """

    hot: Tensor
    share: Tensor
    fields: Tensor
    couplings: Tensor
    penalty: float

    @torch.no_grad()
    def __call__(self) -> Tensor:
        length, states = self.fields.shape
        logits = (self.hot @ self.couplings).view(-1, length, states).add_(self.fields)
        logs = logits.log_softmax(-1).view(len(self.hot), -1)
        # Summed per sequence in single precision, over sequences in double.
        likely = (logs * self.hot).sum(1).double() @ self.share.double()
        slope = logs.exp_().sub_(self.hot).mul_(self.share[:, None])
        half = self.hot.T @ slope
        gradient = (half + half.T).div_(2)
        # A column is not coupled to itself.
        blocks = gradient.view(length, states, length, states)
        blocks.diagonal(dim1=0, dim2=2).zero_()
        self.couplings.grad = gradient.add_(self.couplings, alpha=self.penalty)
        self.fields.grad = slope.sum(0).view(length, states) + 2 * self.penalty * self.fields
        squares = self.fields.double().square().sum()
        # Each pair of columns stands twice in the matrix.
        squares += self.couplings.square().sum(dtype=torch.float64) / 2
        return squares * self.penalty - likely
