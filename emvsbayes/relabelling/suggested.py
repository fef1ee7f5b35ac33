"""Which dimensions of a file probably count components, for the sentence that says that none was found.

A dimension may tell by its name (`cluster`, `state`). ArviZ calls the axes of a variable without names `mu_dim_0`,
`mu_dim_1`, …; there the first axis of every variable is the likely one, and the first of equal length where the first
axis counts rows (`p_dim_1`).
"""

from __future__ import annotations

import re

SUGGESTED_AT_MOST = 20  # a longer dimension counts rows or columns rather than components
TELLING = re.compile(r"comp|cluster|class|group|state|mixture|(^|_)k($|_)", re.IGNORECASE)
UNNAMED = re.compile(r"(?P<variable>.+)_dim_(?P<axis>\d+)")  # as ArviZ calls the axes of a variable without names


def suggestion(there: dict[str, int]) -> str:
    """Which of the dimensions probably count components, where one guess stands out."""
    short = {name: size for name, size in there.items() if 1 < size <= SUGGESTED_AT_MOST}
    telling = [name for name in short if TELLING.search(name)]
    first = _first_axes(short)
    for names in (telling, first, list(short)):
        if names and len({short[name] for name in names}) == 1:
            guess = repr(names[0]) if len(names) == 1 else f"({', '.join(map(repr, names))})"
            return f"; dim={guess} is probably what you mean (on the command line --dim, once for each)"
    return "; say with dim which of them counts components" if there else ""


def _first_axes(short: dict[str, int]) -> list[str]:
    """Dimensions without a name: the first axis of every variable, or the first that is as long as those are."""
    found = [name for name in short if name.endswith("_dim_0")]
    sizes = {short[name] for name in found}
    taken = {name.removesuffix("_dim_0") for name in found}
    for name in short:
        unnamed = UNNAMED.fullmatch(name)
        if unnamed and len(sizes) == 1 and short[name] in sizes and unnamed["variable"] not in taken:
            found.append(name)
            taken.add(unnamed["variable"])
    return found
