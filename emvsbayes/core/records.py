"""Records as mappings, and as JSON-ready values."""

from __future__ import annotations

from collections.abc import Mapping
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
