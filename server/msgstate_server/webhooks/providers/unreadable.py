"""The error for input that a provider's module cannot read."""


class Unreadable(ValueError):
    """Says why a body, or one part of it, cannot be read; the text is one plain sentence."""
