"""Train the same language model by gradparity's backends and by PyTorch's nn.LSTM, and compare.

    scripts/against_torch.py --data FILE

Same sizes, windows, streams, clipping and Adam; the last tenth of the text is held out. Each run
has a process of its own; contenders take turns. Prints validation loss and tokens per second.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from lstm_lm.config.options import Options
from lstm_lm.tasks.table import Text
from lstm_spec.exits import guarded


@dataclass(frozen=True)
class Comparison:
    """What to compare."""

    data: Path
    """UTF-8 text."""
    contenders: tuple[str, ...] = ("torch", "numpy", "jax")
    """torch, and backends of gradparity."""
    seeds: int = 3
    """Runs of each."""
    epochs: float = 10.0
    """Passes over the text."""
    init: str = "uniform"
    """Initial weights of gradparity's runs; PyTorch's are uniform."""
    one: str = ""
    """Run one contender only, in this process, and print JSON: for internal use."""
    seed: int = 0
    """Of that run."""

    def options(self, seed: int) -> Options:
        """gradparity's options for a run."""
        bias = 0.0 if self.init == "uniform" else 1.0
        return Options(
            data=self.data, seed=seed, epochs=self.epochs, init=self.init,  # type: ignore[arg-type]
            forget_bias=bias, evaluate_every=400,
        ).resolved()  # fmt: skip


def main() -> None:
    """Compare, in rounds."""
    comparison = tyro.cli(Comparison, description=__doc__)
    if comparison.one:
        print(json.dumps(_run_here(comparison)))
        return
    found: dict[str, list[dict]] = {name: [] for name in comparison.contenders}
    for seed in range(comparison.seeds):
        for name in comparison.contenders:
            found[name].append(_in_a_process(comparison, name, seed))
            print(f"seed {seed}, {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    table = Table(
        "contender", "validation, nats/token", "mean", "tokens/s", "of PyTorch's", box=None
    )
    reference = _speed(found.get("torch", []))
    for name, runs in found.items():
        losses = [run["loss"] for run in runs]
        table.add_row(
            name, ", ".join(f"{loss:.4f}" for loss in losses), f"{mean(losses):.4f}",
            f"{_speed(runs):,.0f}", f"{_speed(runs) / reference:.2f}" if reference else "",
        )  # fmt: skip
    Console().print(table)


def _speed(runs: list[dict]) -> float:
    return float(np.median([run["speed"] for run in runs])) if runs else 0.0


def _in_a_process(comparison: Comparison, name: str, seed: int) -> dict:
    arguments = [
        sys.executable, __file__, "--data", str(comparison.data), "--one", name,
        "--seed", str(seed),
        "--epochs", str(comparison.epochs), "--init", comparison.init,
    ]  # fmt: skip
    result = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def _run_here(comparison: Comparison) -> dict:
    options = comparison.options(comparison.seed)
    if comparison.one == "torch":
        return _run_torch(options)
    return _run_ours(replace(options, backend=comparison.one))


def _run_ours(options: Options) -> dict:
    from lstm_lm.train_cli import main as train

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        arguments = [
            "--data", str(options.data), "--seed", str(options.seed),
            "--epochs", str(options.epochs),
            "--init", options.init, "--forget-bias", str(options.forget_bias),
            "--backend", options.backend, "--evaluate-every", "400", "--out", str(out),
        ]  # fmt: skip
        try:
            train(arguments)
        except SystemExit as stop:
            if stop.code:
                raise
        records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        timing = json.loads((out / "timing.json").read_text())
    losses = [record["validation"] for record in records if "validation" in record]
    return {"loss": losses[-1], "speed": timing["tokens_per_second"]}


def _run_torch(options: Options) -> dict:
    """The usual PyTorch training loop over the same batches."""
    import torch

    torch.manual_seed(options.seed)
    task = Text.read(options)
    vocab = len(task.vocabulary)
    lstm = torch.nn.LSTM(vocab, options.hidden, options.layers)
    readout = torch.nn.Linear(options.hidden, vocab)
    weights = [*lstm.parameters(), *readout.parameters()]
    adam = torch.optim.Adam(weights, lr=options.learning_rate)

    def loss_of(batch, state):  # type: ignore[no-untyped-def]
        x = torch.nn.functional.one_hot(torch.from_numpy(batch.tokens), vocab).float()
        outputs, state = lstm(x, state)
        logits = readout(outputs).reshape(-1, vocab)
        targets = torch.from_numpy(batch.targets).reshape(-1)
        return torch.nn.functional.cross_entropy(logits, targets, reduction="none"), state

    state, seconds, tokens = None, 0.0, 0
    for step in range(task.total_steps):
        batch = task.batch(step)
        state = tuple(s.detach() for s in state) if state and task.carries_state(step) else None
        start = time.perf_counter()
        nats, state = loss_of(batch, state)
        adam.zero_grad()
        nats.mean().backward()
        torch.nn.utils.clip_grad_norm_(weights, options.clip)
        adam.step()
        seconds += time.perf_counter() - start
        tokens += batch.tokens.size
    total, count, state = 0.0, 0, None
    with torch.no_grad():
        for window in task.held_out("validation"):
            nats, state = loss_of(window, state)
            mask = torch.from_numpy(np.ascontiguousarray(window.mask)).reshape(-1)
            total, count = total + nats[mask].sum().item(), count + int(mask.sum())
    loss = total / count
    assert math.isfinite(loss)
    return {"loss": loss, "speed": tokens / seconds}


if __name__ == "__main__":
    sys.exit(guarded("against_torch.py", main))
