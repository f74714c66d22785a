"""What a person sees while a run goes on: a bar in a terminal, plain lines elsewhere."""

import math

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Shows loss, speed and time left; validations stay on screen as lines."""

    def __init__(self, total: int, unit: str, name: str = "", *, quiet: bool = False) -> None:
        self.console = Console(highlight=False, quiet=quiet)
        self._unit, self._name = unit, name
        self._rate, self._headed = 0.0, False
        self._bar = Bar(
            TextColumn(name or "training"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("loss {task.fields[loss]:.3f} {task.fields[speed]:,.0f} tokens/s"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, loss=math.nan, speed=0.0)
        self._bar.start()

    def update(self, step: int, loss: float, speed: float) -> None:
        """After an update: loss in nats per token, speed in tokens per second."""
        self._rate = speed
        self._bar.update(self._task, completed=step, loss=loss, speed=speed)

    def validated(self, step: int, loss: float, best: bool) -> None:
        """After a validation: a row of the table that stays on screen."""
        if not self._headed:
            self._row("update", "nats/token", "perplexity", "bits/char", "tokens/s", "")
            self._headed = True
        bits = f"{loss / math.log(2):.3f}" if self._unit == "chars" else ""
        cells = (f"{step:,}", _number(loss), _number(perplexity(loss)), bits, f"{self._rate:,.0f}")
        self._row(*cells, "best" if best else "")

    def _row(self, step: str, *cells: str) -> None:
        columns = [f"{self._name:5}"] * bool(self._name) + [f"{step:>9}"]
        if self._unit != "chars":
            cells = cells[:2] + cells[3:]
        self.console.print(
            "".join([*columns, *(f"{cell:>12}" for cell in cells)]).rstrip(), soft_wrap=True
        )

    def finish(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def describe(loss: float, unit: str) -> str:
    """A loss in nats per token, as perplexity, and for characters in bits."""
    text = f"{_number(loss)} nats/token, perplexity {_number(perplexity(loss))}"
    return f"{text}, {loss / math.log(2):.3f} bits/char" if unit == "chars" else text


def perplexity(loss: float) -> float:
    """exp(loss), as far as a float reaches."""
    return math.exp(min(loss, 700))


def _number(value: float) -> str:
    return f"{value:.4f}" if value < 1e4 else f"{value:.2e}"
