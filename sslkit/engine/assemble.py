"""From names and artifacts to the parts of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import torch
from torch import Tensor

from sslkit import catalog, rng
from sslkit.artifacts import checkpoint, manifest, outline, plugins, samples
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.artifacts.learned import Learned
from sslkit.artifacts.manifest import Manifest
from sslkit.artifacts.run import RunFolder
from sslkit.contracts.domain import TokenDomain, counts_tokens
from sslkit.contracts.encoder import Encoder
from sslkit.contracts.spec import Ids, token_ids
from sslkit.engine import rebuild
from sslkit.errors import UsageError
from sslkit.files import source
from sslkit.vocab.vocabulary import Vocabulary

#: ``state_dict`` of each part of a learner, by the part's name.
Weights: TypeAlias = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Parts:
    """A domain with its vocabulary, an encoder, and the checkpoint that they come from.

    Attributes:
        context: tokens of the windows that the encoder was trained on.
        path, sha256: the checkpoint's file and its hash, for the manifests of what is made from it.
    """

    domain_name: str
    domain: TokenDomain
    encoder: Encoder
    vocabulary: Vocabulary
    checkpoint: Checkpoint
    context: int
    path: Path
    sha256: str

    @property
    def counts_tokens(self) -> bool:
        """Whether records are rows of tokens; else each is an example as it stands."""
        return counts_tokens(self.domain)

    @property
    def records(self) -> str:
        """What messages call the records."""
        return "sequences" if self.counts_tokens else "records"

    def check_tokens(self, command: str) -> None:
        """Refuse what speaks of tokens where there are none.

        Raises:
            UsageError: naming the domain.
        """
        if not self.counts_tokens:
            raise UsageError(
                f"{command} is about tokens, and domain {self.domain_name} counts none",
                do="sslkit embed and sslkit probe take its records",
            )

    @property
    def tokens(self) -> Ids:
        """How many tokens there are, and the special ids."""
        return token_ids(self.domain.spec)

    @property
    def manifest(self) -> manifest.Manifest:
        """What the checkpoint says of its making."""
        return self.checkpoint.manifest

    def inherited(self) -> str:
        """What a stage tells the user that it took over."""
        domain, model = (self.manifest.plugins[kind] for kind in ("domain", "model"))
        count = sum(p.numel() for p in self.encoder.parameters())
        read = f", {len(self.vocabulary)} tokens, context {self.context}"
        return (
            f"from {self.path}: {domain['name']} ({_short(domain['settings'])}), "
            f"{model['name']} ({_short(model['settings'])}), {count:,} parameters"
            + (read if self.counts_tokens else "")
        )


def from_checkpoint(path: Path) -> Parts:
    """Rebuild domain and encoder from a checkpoint alone.

    Raises:
        UsageError: there is none, its domain has no records, or a plug-in is not installed.
        DataError: it is damaged, or a plug-in has another version than the one it was made with.
    """
    path = outline.locate(path)
    held = checkpoint.load(path)
    vocabulary = Vocabulary(held.tokens, held.counts.numpy(), held.spelling)
    module, settings = plugins.restore("domain", held.manifest, path)
    name = held.manifest.plugins["domain"]["name"]
    catalog.check_records(name, module, f"{path} cannot read any")
    domain = domain_of(module, settings, vocabulary, path)
    encoder = rebuild.rebuild(
        _builder(held.manifest, domain, path), held.tensors.get("encoder", {}), str(path)
    )
    return Parts(
        domain_name=name,
        domain=domain,
        encoder=encoder.eval(),
        vocabulary=vocabulary,
        checkpoint=held,
        context=held.manifest.settings["context"],
        path=path,
        sha256=source.digest(path),
    )


def untrained(parts: Parts, seed: int) -> Encoder:
    """An encoder of the same shape with fresh weights."""
    torch.manual_seed(int(rng.key(seed, "encoder") >> rng.SHIFT))
    return _builder(parts.manifest, parts.domain, parts.path)().eval()


def domain_of(
    module: ModuleType, settings: Any, vocabulary: Vocabulary | None, path: Path
) -> TokenDomain:
    """A domain as an artifact describes it.

    Raises:
        DataError: its settings do not go together, or not with the vocabulary.
    """
    with rebuild.refused(str(path)):
        domain: TokenDomain = module.Domain(settings, vocabulary)
    return domain


def write(
    folder: RunFolder,
    tensors: Weights,
    made: Manifest,
    vocabulary: Vocabulary,
    learned: Learned | None = None,
) -> None:
    """Write the checkpoint of a finished run and drop its state: later stages need no more.

    What was kept on the way becomes checkpoints first: the last one says that all is done.

    Args:
        learned: labelled records that it, or what it comes from, was fine-tuned on.
    """
    counts = torch.tensor(vocabulary.counts)
    tokens, spelling = tuple(vocabulary.tokens), vocabulary.spelling
    held = Checkpoint(made, tensors, tokens, counts, learned or Learned(), spelling)
    samples.finish(folder, held)
    checkpoint.save(folder.checkpoint, held)
    folder.clear()


def _builder(made: Manifest, domain: TokenDomain, path: Path) -> Callable[[], Encoder]:
    """Makes encoders as a manifest describes them, with fresh weights."""
    module, settings = plugins.restore("model", made, path)
    return lambda: module.Model(settings, domain.spec)


def _short(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
