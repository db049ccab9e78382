"""Samples of named steps as percentiles, ratios and a table."""

import math
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that is at least `share` (0..1) of all values: nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Samples:
    """Durations in seconds by the name of the step, in the order of their first samples."""

    def __init__(self) -> None:
        self._of: dict[str, list[float]] = {}

    def add(self, step: str, seconds: float) -> None:
        self._of.setdefault(step, []).append(seconds)

    def sums(self, *steps: str) -> list[float]:
        """Return, for each round, the sum of these steps."""
        return [sum(round) for round in zip(*(self._of[step] for step in steps), strict=True)]

    def summary(self) -> dict[str, dict[str, float]]:
        """Return p50, p95 and the minimum of every step, in milliseconds."""
        return {step: summary(values) for step, values in self._of.items()}


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and the minimum of seconds, in milliseconds."""
    return {
        "p50_ms": round(percentile(values, 0.5) * 1000, 2),
        "p95_ms": round(percentile(values, 0.95) * 1000, 2),
        "min_ms": round(min(values) * 1000, 2),
    }


def table(title: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    """Format the steps as lines, in milliseconds."""
    lines = [f"{title:<34}{'p50':>9}{'p95':>9}{'min':>9}  ms"]
    lines += [
        f"  {step:<32}{of['p50_ms']:>9.2f}{of['p95_ms']:>9.2f}{of['min_ms']:>9.2f}"
        for step, of in rows.items()
    ]
    return "\n".join(lines)
