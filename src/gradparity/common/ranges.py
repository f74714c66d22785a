"""Whole numbers in words."""

from collections.abc import Sequence


def ranges(numbers: Sequence[int]) -> str:
    """0, 1, 2, 5 as `0–2, 5`."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(f"{g[0]}–{g[-1]}" if len(g) > 2 else ", ".join(map(str, g)) for g in groups)
