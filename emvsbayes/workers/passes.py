"""Passes over rows that stay on the workers of a cluster.

In the first pass each block becomes the family's data record on a worker, and is kept there; afterwards only parameters
travel to the workers, and statistics back. A task whose worker dies is done again by another, and a record that died
with its worker is made again there, from the graph of the collection: Dask sees to both.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

from emvsbayes.core.errors import InputError
from emvsbayes.workers.blocks import Piece, asked, raised, record_of
from emvsbayes.workers.clients import n_workers, wait_for_one
from emvsbayes.workers.tasks import deadly
from emvsbayes.workers.wire import packed, unpacked


class Kept:
    """The data records of the blocks of a collection, on the workers of a client."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.records: dict[Any, list[Any]] = {}

    def map(
        self, function: Any, partitions: list[tuple[Any, Any, Any]], pieces: dict[int, tuple[Piece, ...]]
    ) -> Iterator[Any]:
        """function.of(data record, number of its first row) of every block, in the order of the rows.

        Raises
        ------
        InputError
            Where worker after worker dies, or where rows are lost that nobody can compute again; and whatever the
            function raises, of the first rows by which it raises anything.
        """
        from distributed import KilledWorker, as_completed

        blocks = [piece for own in pieces.values() for piece in own]
        try:
            wait_for_one(self.client)
            records = self._records(function.record, partitions, pieces, tuple(blocks))
            options = {"work": packed(function), "tasks": len(blocks), "among": n_workers(self.client)}
            starts = [piece.start for piece in blocks]
            futures = self.client.map(asked, records, starts, **options, pure=False, batch_size=None)
            numbers = {future: number for number, future in enumerate(futures)}
            ready: dict[int, Any] = {}
            following = 0
            for future, message in as_completed(futures, loop=self.client.loop, with_results=True):
                ready[numbers[future]] = message
                while following in ready:
                    yield raised(unpacked(ready.pop(following)))
                    following += 1
        except KilledWorker as error:
            raise deadly(error) from None
        except CancelledError:
            raise self._lost() from None

    def computed(self, values: list[Any]) -> list[Any]:
        """Delayed values, brought here."""
        from distributed import KilledWorker

        try:
            return list(self.client.compute(values, sync=True))
        except KilledWorker as error:
            raise deadly(error) from None
        except CancelledError:
            raise self._lost() from None

    def _records(
        self,
        record: Any,
        partitions: list[tuple[Any, Any, Any]],
        pieces: dict[int, tuple[Piece, ...]],
        blocks: tuple[Piece, ...],
    ) -> list[Any]:
        """Futures of the data records, one a block; made when they are first asked for."""
        if (record, blocks) not in self.records:
            delayed = [part for number in pieces for part in partitions[number] if hasattr(part, "dask")]
            futures = dict(zip(map(id, delayed), self.client.compute(delayed), strict=True))
            self.records[record, blocks] = [
                self.client.submit(
                    record_of, *(futures.get(id(part), part) for part in partitions[number]), piece, record, pure=False
                )
                for number, own in pieces.items()
                for piece in own
            ]
        return self.records[record, blocks]

    def _lost(self) -> InputError:
        if self.client.status != "running":
            return InputError(f"the client is {self.client.status} before the fit was done; keep it open until then.")
        return InputError(
            "the cluster has lost rows that nobody can compute again; build the collection from files or arrays, not "
            "from scattered data."
        )
