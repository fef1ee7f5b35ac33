"""Several studies, here one after another or on the workers of a cluster, one task each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from emvsbayes.core.errors import InputError
from emvsbayes.studies.assembly import Say
from emvsbayes.studies.runner import Compared, run_study
from emvsbayes.studies.spec import STUDIES, Study


def run_studies(
    names: Iterable[str] | None = None,
    *,
    sampling: bool = True,
    fresh: bool = False,
    client: Any = None,
    say: Say | None = None,
) -> dict[str, Compared]:
    """The comparisons of studies of the package, by name and in the order of the names.

    Parameters
    ----------
    names : iterable of str
        All studies where it is left out.
    sampling, fresh : bool
        Whether PyMC samples, and whether it draws again what is cached.
    client : distributed.Client
        Each study is a task on a worker; see `emvsbayes.workers.studies` for what its files are.
    say : callable
        Receives lines of progress.
    """
    if isinstance(names, str):
        raise InputError(f"names must be several names of studies, as in [{names!r}]; it is one text.")
    chosen = list(STUDIES if names is None else dict.fromkeys(names))
    done = dict(
        studies_done([STUDIES[name] for name in chosen], sampling=sampling, fresh=fresh, client=client, say=say)
    )
    return {name: done[index] for index, name in enumerate(chosen)}


def studies_done(
    studies: Sequence[Study], *, sampling: bool = True, fresh: bool = False, client: Any = None, say: Say | None = None
) -> Iterator[tuple[int, Compared]]:
    """The number of each study and its comparison, as they are done."""
    say = say or (lambda line: None)
    if client is None:
        for index, study in enumerate(studies):
            yield index, run_study(study, sampling=sampling, fresh=fresh, say=say)
        return
    from emvsbayes.workers.studies import studies_over

    yield from studies_over(client, studies, say, sampling=sampling, fresh=fresh)
