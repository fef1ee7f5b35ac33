"""A dask array or DataFrame as a reader of rows (`sources.blocks.Reader`), computed where its partitions lie.

    S = Σ_b S(block b),    ln p(X | θ) = Σ_b ln p(block b | θ)

A block is at most so many rows of one partition. Terms are handed on in the order of the rows, whoever was done first,
so that their sum has the same bits every time (`core.sources.pairwise`). On a cluster the rows stay where they are
(`workers.passes`); without a client Dask's own threads, or whichever local scheduler is configured, compute the
partitions anew for every pass, as many at a time as there are processors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import batched
from typing import Any

from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.threads import processors
from emvsbayes.sources.blocks import Block
from emvsbayes.workers.blocks import Piece, all_of, raised
from emvsbayes.workers.clients import checked_client, require_dask
from emvsbayes.workers.collections import Collection, collection_of, cut
from emvsbayes.workers.passes import Kept


def dask_rows(X: Any, labels: Any = None, sample_weight: Any = None, client: Any = None) -> DaskRows:
    """A reader of a dask array or DataFrame; nothing is computed yet.

    Parameters
    ----------
    X : dask.array (N,) or (N, D), or dask DataFrame
    labels, sample_weight : None, arrays (N,) in memory or of Dask, a dask Series, or the name of a column of X
    client : distributed.Client; by default the one that Dask would use, if there is one

    Raises
    ------
    InputError
        For a collection that has no rows of columns, a column that is not there, a client that cannot be used.
    """
    require_dask("a dask collection")
    client = _client_of(X) if client is None else client
    return DaskRows(collection_of(X), labels, sample_weight, None if client is None else checked_client(client))


def _client_of(X: Any) -> Any:
    """The client by which Dask would compute the collection; None where it would not use one."""
    from dask.base import get_scheduler
    from distributed import Client

    owner = getattr(get_scheduler(collections=[X]), "__self__", None)
    return owner if isinstance(owner, Client) else None


class DaskRows:
    """The blocks of a collection, with labels and weights beside them."""

    def __init__(self, collection: Collection, labels: Any, sample_weight: Any, client: Any) -> None:
        every = collection.columns
        self.aside = (_name(labels), _name(sample_weight))
        for name in self.aside:
            if name is not None and name not in every:
                raise unknown(f"column of {collection.words}:", name, every)
        self.columns = tuple(name for name in every if name not in self.aside)
        if not self.columns:
            raise InputError(f"no column of {collection.words} is left to fit; name some others.")
        self.words, self.collection = collection.words, collection
        self.beside = (_array(labels), _array(sample_weight))
        self.kept = None if client is None else Kept(client)
        self.partitions: list[tuple[Any, Any, Any]] = []  # rows, labels, weights of each, once lengths are known
        self.lengths: tuple[int, ...] = ()

    def blocks(self, rows: int) -> Iterator[Block]:
        """The blocks themselves, brought here partition by partition."""
        for number, pieces in self.pieces(rows).items():
            parts = self._computed([self.partitions[number]])[0]
            yield from (piece.block(*parts) for piece in pieces)

    def map(self, function: Callable[[Block], Any], rows: int) -> Iterator[Any]:
        """function(block) of every block, in the order of the rows, computed where the block is."""
        pieces = self.pieces(rows)
        if self.kept is not None and hasattr(function, "of"):  # a function of the block's data record, which is kept
            return self.kept.map(function, self.partitions, pieces)
        return self._partition_by_partition(function, pieces)

    def pieces(self, rows: int) -> dict[int, tuple[Piece, ...]]:
        """The blocks of each partition that has rows; they depend on the partitions and on `rows` alone."""
        self._measure()
        found, start = {}, 0
        bounds = (self.collection.columns, self.columns, self.aside, self.words)
        for number, length in enumerate(self.lengths):
            lows = range(0, length, rows)
            if length:
                found[number] = tuple(
                    Piece(number, length, low, min(low + rows, length), start + low, *bounds) for low in lows
                )
            start += length
        return found

    def _measure(self) -> None:
        """The lengths of the partitions, computed once where Dask does not know them; labels and weights, so cut."""
        if self.partitions or not self.collection.partitions:
            return
        rows, lengths = list(self.collection.partitions), self.collection.lengths
        if lengths is None:
            from dask.delayed import delayed

            lengths = tuple(self._computed([delayed(len)(part) for part in rows]))
        labels, weights = (
            cut(value, lengths, what, self.words)
            for value, what in zip(self.beside, ("labels", "sample_weight"), strict=True)
        )
        self.lengths, self.partitions = lengths, list(zip(rows, labels, weights, strict=True))

    def _partition_by_partition(
        self, function: Callable[[Block], Any], pieces: dict[int, tuple[Piece, ...]]
    ) -> Iterator[Any]:
        """function(block), some partitions at a time."""
        from dask.delayed import delayed

        at_once = processors()
        for some in batched(pieces.items(), at_once):
            threads = max(1, at_once // len(some))
            tasks = [delayed(all_of)(*self.partitions[number], own, function, threads) for number, own in some]
            for results in self._computed(tasks):
                yield from map(raised, results)

    def _computed(self, values: list[Any]) -> list[Any]:
        """Delayed values, computed by the client or by Dask's local scheduler."""
        from dask.base import compute

        return list(compute(values)[0]) if self.kept is None else self.kept.computed(values)


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _array(value: Any) -> Any:
    return None if isinstance(value, str) else value
