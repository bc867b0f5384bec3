"""What a case raises where a promise is broken."""


class Broken(AssertionError):
    """A promise of msgstate's that an input breaks."""


def require(kept: bool, promise: str, *found: object) -> None:
    """Raise `Broken` where the promise was not kept, with what was found instead."""
    if not kept:
        raise Broken(f"{promise}; found {', '.join(repr(each)[:300] for each in found)}")
