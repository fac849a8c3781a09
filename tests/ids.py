"""ids: names of parametrised cases that are the same in every process: a set's own order is not."""


def steady(value: object) -> str:
    """`str`, with sets in order."""
    return str(sorted(value)) if isinstance(value, set | frozenset) else str(value)
