"""Numbers as a reader expects them: significant digits, a proper minus, equal decimals within a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from emvsbayes.comparison.record import Climb

NONE = "–"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fixed(value: float | None, decimals: int = 3) -> str:
    """A fixed number of decimals; thousands are set apart by a thin space."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "not a number"
    text = f"{value:,.{max(decimals, 0)}f}".replace(",", "\u2009")
    if text.startswith("-"):
        text = "−" + text[1:] if any(c in "123456789" for c in text) else text[1:]
    return text


def decimals(values: Iterable[float | None], digits: int = 4) -> int:
    """Decimals that show `digits` significant digits of the largest of `values`, between 0 and 12."""
    sizes = [abs(v) for v in values if v is not None and math.isfinite(v) and v != 0]
    if not sizes:
        return 2
    return min(max(digits - 1 - math.floor(math.log10(max(sizes))), 0), 12)


def number(value: float | None, digits: int = 4) -> str:
    """`digits` significant digits; powers of ten outside 1e-4 … 1e7."""
    if value is None or not math.isfinite(value):
        return fixed(value)
    if value == 0:
        return "0"
    if float(value).is_integer() and abs(value) < 1e7:
        return fixed(value, 0)
    if not 1e-4 <= abs(value) < 1e7:
        mantissa, exponent = f"{value:.{max(digits - 2, 0)}e}".split("e")
        if value == float(f"1e{exponent}"):
            return power_of_ten(int(exponent))
        return f"{mantissa.replace('-', '−')}\u00a0×\u00a0{power_of_ten(int(exponent))}"
    return fixed(float(f"{value:.{digits}g}"), decimals([value], digits))


def power_of_ten(exponent: int) -> str:
    """10 with a raised exponent."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def count(value: float | None) -> str:
    """A whole number."""
    return fixed(value, 0)


def percent(share: float | None) -> str:
    """A share as a percentage; a share that only rounds to 0 or 100 says so."""
    if share is None:
        return NONE
    if 0 < share < 0.0005:
        return "< 0.1 %"
    if 0.9995 < share < 1:
        return "> 99.9 %"
    return f"{fixed(100 * share, 1)} %"


def values(nested: Any, digits: int = 4) -> str:
    """A number, or nested lists of numbers with brackets around rows."""
    if isinstance(nested, list | tuple):
        inner = [values(item, digits) for item in nested]
        return "[" + ", ".join(inner) + "]"
    if isinstance(nested, bool) or not isinstance(nested, int | float):
        return str(nested)
    return number(nested, digits)


def listed(items: Iterable[Any], limit: int = 8) -> str:
    """The first items, and how many more there are."""
    items = list(items)
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"


def plural(n: int, noun: str, ending: str = "s") -> str:
    """1 start, 2 starts."""
    return f"{count(n)} {noun}" + ("" if n == 1 else ending)


def sentence(text: str) -> str:
    """With a capital at its beginning; nothing else is touched."""
    return text[:1].upper() + text[1:]


OBJECTIVES = {"ml": "maximum likelihood", "map": "MAP"}


def climb_names(climbs: Sequence[Climb]) -> list[str]:
    """The objective of every climb, and its E-step where any of them is hard."""
    named = any(climb.e_step == "hard" for climb in climbs)
    return [OBJECTIVES[climb.objective] + (f", {climb.e_step} E-step" if named else "") for climb in climbs]


_STATUS = {
    "CONVERGED": "converged",
    "MAX_PASSES": "not converged",
    "SINGULAR": "collapsed",
    "EMPTY_COMPONENT": "a component is empty",
    "DECREASED": "the objective fell",
    "NONFINITE": "not finite",
}


def status(text: str) -> str:
    """A status in a word or two; a whole sentence is cut at its first colon."""
    return _STATUS.get(text.upper(), text.split(":")[0])


def is_collapsed(text: str) -> bool:
    """Whether a status is that of a singular run."""
    return text.upper().startswith("SINGULAR")
