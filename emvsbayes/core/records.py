"""Records as mappings, and as JSON-ready values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np


def record_fields(record: Any) -> dict[str, Any]:
    """A record as a mapping of its fields, arrays not copied."""
    return {f.name: getattr(record, f.name) for f in fields(record)}


def take_rows(data: Any, rows: Any) -> Any:
    """Some rows of a data record: of every field that has one entry a row."""
    n = data.n_rows
    per_row = {f.name: v for f in fields(data) if isinstance(v := getattr(data, f.name), np.ndarray) and len(v) == n}
    return replace(data, **{name: value[rows] for name, value in per_row.items()})


def joined(parts: Sequence[Any]) -> Any:
    """The rows of several data records, in their order, as one record."""
    own = getattr(type(parts[0]), "joined", None)
    return stacked(parts) if own is None else own(parts)


def stacked(parts: Sequence[Any]) -> Any:
    """The same where every field is either there in all parts or in none."""
    first, n = parts[0], parts[0].n_rows
    names = [f.name for f in fields(first) if isinstance(v := getattr(first, f.name), np.ndarray) and len(v) == n]
    return replace(first, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def plain(value: Any) -> Any:
    """Records, arrays and mappings as lists, numbers, strings and mappings."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(value)
    return {name: plain(item) for name, item in record_fields(value).items()}
