"""Numbers as people read them; one that is unknown is 'n/a', never 0."""

import math

NA = "n/a"


def finite(value: object) -> float | None:
    """The number, or None where it is absent, not a number, nan or infinite."""
    try:
        number = None if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if number is not None and math.isfinite(number) else None


def number(value: object, digits: int = 1, unit: str = "") -> str:
    """'85.2 %' or 'n/a'; the space before the unit does not break.

    >>> number(1234.5), number(0.5, 2), number(None)
    ('1,234.5', '0.50', 'n/a')
    """
    known = finite(value)
    if known is None:
        return NA
    return f"{known:,.{digits}f}" + (f"\u00a0{unit}" if unit else "")


def percent(share: object, digits: int = 1) -> str:
    """A share in [0, 1] as '85.2 %', or 'n/a'.

    >>> percent(0.852).split(), percent(None)
    (['85.2', '%'], 'n/a')
    """
    known = finite(share)
    return number(None if known is None else 100 * known, digits, "%")
