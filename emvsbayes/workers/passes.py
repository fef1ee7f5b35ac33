"""Passes over rows that stay on the workers of a cluster.

In the first pass each block becomes the family's data record on a worker, and is kept there; afterwards only parameters
travel to the workers, and statistics back. Records that lie on one worker are put on shelves, two for each of its
threads, and a pass is a task a shelf: Dask takes milliseconds a task, as long as a pass over 10⁵ numbers. What comes
back is nevertheless one term for each block. A task whose worker dies is done again by another, and a shelf that died
with its worker is made again there, from the graph of the collection: Dask sees to both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from itertools import batched
from typing import Any

from emvsbayes.core.errors import InputError
from emvsbayes.workers.blocks import Piece, asked, raised, records_of, shelf_of
from emvsbayes.workers.clients import n_workers
from emvsbayes.workers.tasks import deadly
from emvsbayes.workers.wire import packed, unpacked

SHELVES = 2  # a thread: more balance better where workers differ, fewer cost less


@dataclass(frozen=True, slots=True)
class Shelf:
    """A future of data records, the numbers of their blocks, and of the first row of each."""

    future: Any
    blocks: tuple[int, ...]
    starts: tuple[int, ...]


class Kept:
    """The data records of the blocks of a collection, on the workers of a client."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.shelves: dict[Any, list[Shelf]] = {}

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

        if self.client.status != "running":
            raise self._lost()
        try:
            shelves = self._shelved(function.record, partitions, pieces)
            options = {"work": packed(function), "tasks": len(shelves), "among": n_workers(self.client)}
            futures = self.client.map(
                asked, [s.future for s in shelves], [s.starts for s in shelves], pure=False, **options
            )
            blocks = {future: shelf.blocks for future, shelf in zip(futures, shelves, strict=True)}
            ready: dict[int, Any] = {}
            following = 0
            for future, message in as_completed(futures, loop=self.client.loop, with_results=True):
                if isinstance(message, BaseException):  # Dask returns a cancellation, and raises all else
                    raise message
                ready.update(zip(blocks[future], unpacked(message), strict=True))
                while following in ready:
                    yield raised(ready.pop(following))
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

    def _shelved(
        self, record: Any, partitions: list[tuple[Any, Any, Any]], pieces: dict[int, tuple[Piece, ...]]
    ) -> list[Shelf]:
        """The shelves, put up when they are first asked for."""
        key = (record, tuple(pieces.values()))
        if key not in self.shelves:
            self.shelves[key] = self._put_up(record, partitions, pieces)
        return self.shelves[key]

    def _put_up(
        self, record: Any, partitions: list[tuple[Any, Any, Any]], pieces: dict[int, tuple[Piece, ...]]
    ) -> list[Shelf]:
        """Records made where Dask computes their partitions, and shelves of those that lie on one worker."""
        from distributed import as_completed

        delayed = [part for number in pieces for part in partitions[number] if hasattr(part, "dask")]
        computed = dict(zip(map(id, delayed), self.client.compute(delayed), strict=True))
        records = [
            self.client.submit(
                records_of, *(computed.get(id(part), part) for part in partitions[number]), own, record, pure=False
            )
            for number, own in pieces.items()
        ]
        for _ in as_completed(records, loop=self.client.loop):
            pass
        where, threads = self.client.who_has(records), self.client.nthreads()
        by_worker, first, after = defaultdict(list), [], 0
        for index, own in enumerate(pieces.values()):
            first.append(after)
            after += len(own)
            by_worker[next(iter(where.get(records[index].key, ())), None)].append(index)
        every, shelves = list(pieces.values()), []
        for worker, indices in by_worker.items():
            size = -(-len(indices) // (SHELVES * threads.get(worker, 1)))
            for some in batched(indices, size):
                own = [(first[i] + k, piece.start) for i in some for k, piece in enumerate(every[i])]
                place = {"workers": [worker], "allow_other_workers": True} if worker in threads else {}
                future = self.client.submit(shelf_of, *(records[i] for i in some), pure=False, **place)
                shelves.append(Shelf(future, *zip(*own, strict=True)))
        return shelves

    def _lost(self) -> InputError:
        if self.client.status != "running":
            return InputError(f"the client is {self.client.status} before the fit was done; keep it open until then.")
        return InputError(
            "the cluster has lost rows that nobody can compute again; build the collection from files or arrays, not "
            "from scattered data."
        )
