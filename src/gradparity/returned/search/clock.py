"""How long a search may take."""

import time


class Clock:
    """Seconds of computing, after which the best that was found is reported.

    Attributes:
        stopped: whether somebody was told that they are spent.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.process_time() + seconds
        self.stopped = False

    def spent(self) -> bool:
        """Whether the time is over."""
        self.stopped = self.stopped or time.process_time() > self._until
        return self.stopped
