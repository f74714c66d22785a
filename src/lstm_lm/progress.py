"""What a person sees while a run goes on: a bar in a terminal, plain lines elsewhere."""

import math

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Shows loss, speed and time left; validations stay on screen as lines."""

    def __init__(self, total: int, unit: str, name: str = "") -> None:
        self.console = Console(highlight=False)
        self._unit, self._name = unit, name
        self._rate = 0.0
        self._bar = Bar(
            TextColumn(name or "training"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("loss {task.fields[loss]:.3f}  {task.fields[speed]:,.0f} tokens/s"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, loss=math.nan, speed=0.0)
        self._bar.start()

    def update(self, step: int, loss: float, speed: float) -> None:
        """After an update: loss in nats per token, speed in tokens per second."""
        self._rate = speed
        self._bar.update(self._task, completed=step, loss=loss, speed=speed)

    def validated(self, step: int, loss: float, best: bool) -> None:
        """After a validation."""
        mark = "  best" if best else ""
        prefix = f"{self._name:6}" if self._name else ""
        self.console.print(
            f"{prefix}update {step:>6,}  validation {describe(loss, self._unit)}"
            f"  {self._rate:>9,.0f} tokens/s{mark}"
        )

    def finish(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def describe(loss: float, unit: str) -> str:
    """A loss in nats per token, as perplexity, and for characters in bits."""
    if loss > 1e4:
        return f"{loss:.2e} nats/token"
    text = f"{loss:.4f} nats/token, perplexity {math.exp(min(loss, 700)):.5g}"
    return f"{text}, {loss / math.log(2):.3f} bits/char" if unit == "chars" else text
