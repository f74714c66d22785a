"""A run's folder as those processes see it that do not write to it."""

from typing import Any

from lstm_lm.keep.folder import RunFolder


class Onlooker(RunFolder):
    """Knows the folder's names, and leaves it alone."""

    def _nothing(self, *_: Any, **__: Any) -> None:
        """What the leading process does."""

    begin = take = release = commit = append = reconfigure = _nothing
