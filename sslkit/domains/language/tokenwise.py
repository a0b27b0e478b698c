"""What domains of tokens have in common, and those whose units are tokens."""

from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.errors import UsageError
from sslkit.types import Array


class Specified:
    """A domain that is made with or without a vocabulary."""

    _spec: Spec | None = None

    @property
    def spec(self) -> Spec:
        """What batches hold, the tokens of the vocabulary first of all."""
        if self._spec is None:
            raise UsageError("this needs a vocabulary", do="run sslkit build-vocab first")
        return self._spec

    @property
    def tokens(self) -> Ids:
        """How many tokens there are, and the special ids."""
        return token_ids(self.spec)


class Tokenwise(Specified):
    """Part of ``contracts.domain.TokenDomain``: a unit is a token, a record has one form."""

    def alternative(self, units: Array) -> Array:
        """There is no other form that says the same."""
        return units

    @property
    def phases(self) -> int:
        """A token is a token, whatever stands before it."""
        return 1

    def units(self, tokens: int) -> int:
        """A unit is a token."""
        return tokens

    def length(self, units: int) -> int:
        """A unit is a token."""
        return units
