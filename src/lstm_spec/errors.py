"""One error for everything a caller can get wrong."""


class InputError(ValueError):
    """Bad input: the message names what was wrong, what came and what was expected."""
