"""How busy an hour is: a weekly curve, quiet at night and on Sundays, with a peak when the morning's mailings go out.

Not here: how many journeys start in a busy hour (`world.py`).
"""

from __future__ import annotations

_DAY = (4, 3, 2, 2, 3, 6, 12, 22, 38, 60, 52, 44, 40, 38, 36, 36, 38, 42, 40, 34, 28, 20, 12, 7)
_WEEK = (1.1, 1.15, 1.1, 1.1, 1.0, 0.7, 0.6)
_MEAN = sum(_DAY) / len(_DAY) * sum(_WEEK) / len(_WEEK)
_FIRST_MONDAY_H = 4 * 24  # 1970-01-05


def busyness(hour: int) -> float:
    """How busy an hour is, where 1 is the mean of a week.

    Args:
        hour: Hours since 1970-01-01T00:00Z.
    """
    day, hour_of_day = divmod(hour - _FIRST_MONDAY_H, 24)
    return _DAY[hour_of_day] * _WEEK[day % 7] / _MEAN
