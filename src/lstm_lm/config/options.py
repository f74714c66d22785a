"""Everything that decides a training run, in one frozen dataclass.

It is the command line, it is stored with the run, and `--resume` and sampling
read it back.
"""

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import tyro

from lstm_lm.config.rules import MEASURED, require_ranges, require_types
from lstm_spec import Config, InputError

ONE = "1"  # a mesh of one device
Schedule = Literal["constant", "cosine", "plateau"]

# What None stands for, by task.
DEFAULTS: dict[str, dict[str, Any]] = {
    "anbn": {
        "layers": 1,
        "hidden": 32,
        "batch": 22,
        "steps": 5000,
        "epochs": 0.0,
        "learning_rate": 1e-2,
        "schedule": "cosine",
        "warmup": 50,
        "evaluate_every": 500,
    },
    "text": {
        "layers": 2,
        "hidden": 128,
        "batch": 50,
        "steps": 0,
        "epochs": 10.0,
        "learning_rate": 2e-3,
        "schedule": "constant",
        "warmup": 0,
        "evaluate_every": 200,
    },
}


def run_path(task: str, number: int | str) -> Path:
    """The folder of a task's run where none is named: `runs/anbn-1`."""
    return Path("runs") / f"{task}-{number}"


_RUNS = " or ".join(str(run_path(task, "N")) for task in DEFAULTS)


def instead_of_none(said: str) -> Any:
    """Annotates an option that may be None: what the help gives as its default."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {said})")


def _by_task(name: str) -> Any:
    """`instead_of_none` for an option of `DEFAULTS`."""
    values = {task: defaults[name] for task, defaults in DEFAULTS.items()}
    shown = {task: v if isinstance(v, str) else f"{v:,g}" for task, v in values.items()}
    return instead_of_none(", ".join(f"{value} for {task}" for task, value in shown.items()))


@dataclass(frozen=True)
class Options:
    """Train an LSTM language model; with no options, on aⁿbⁿ, in half a minute."""

    data: Annotated[Path | None, instead_of_none("none, to learn aⁿbⁿ")] = None
    """UTF-8 text to learn."""
    out: Annotated[Path | None, instead_of_none(f"the next free {_RUNS}")] = None
    """Folder of the run."""
    overwrite: bool = False
    """Start afresh in a folder that already holds a run."""
    backend: str = "numpy"
    """numpy, jax, jax-manual, or both: numpy and jax side by side, and their difference drawn."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of everything that is computed."""
    seed: int = 0
    """Fixes initial weights, order of the data and dropout."""

    tokens: Literal["chars", "words"] = "chars"
    """What a token of the text is."""
    min_count: int = 1
    """Tokens that occur less often than this in the training part become UNK."""
    validation: float = 0.1
    """Share of the text held out for validation, after the training part."""
    test: float = 0.0
    """Share of the text held out for a test at the very end."""

    layers: Annotated[int | None, _by_task("layers")] = None
    """LSTM layers on top of each other."""
    hidden: Annotated[int | None, _by_task("hidden")] = None
    """Units of a layer."""
    dropout: float = 0.0
    """Share of values set to zero between the layers."""
    init: Literal["orthogonal", "uniform"] = "orthogonal"
    """Initial weights: orthogonal recurrent blocks, or uniform as in PyTorch."""
    forget_bias: float = 1.0
    """Added to the forget gate's initial bias."""

    batch: Annotated[int | None, _by_task("batch")] = None
    """Sequences side by side."""
    window: int = 50
    """Steps of a text that gradients flow through; states are carried on."""
    keep_every: int = 0
    """Keep states every so many steps only, and recompute the others: less memory; 0: keep all."""
    processes: int = 0
    """Processes of the backend numpy that share the sequences; 0: as many as pay, on Linux."""
    pieces: str = MEASURED
    """How numpy cuts a step's products: measured (once on a machine, where they are large),
    rule, or pieces such as 1024x1024:64x256. A run keeps what it began with."""
    mesh: str = ONE
    """Devices of a JAX backend that share the sequences: 4; or 4x2, to share the weights too."""
    steps: Annotated[int | None, _by_task("steps")] = None
    """Number of updates; 0: as many as `epochs` makes."""
    epochs: Annotated[float | None, _by_task("epochs")] = None
    """Passes over the text, if `steps` is 0."""

    optimizer: Literal["sgd", "momentum", "adam", "adamw"] = "adam"
    """Update rule."""
    learning_rate: Annotated[float | None, _by_task("learning_rate")] = None
    """Its largest value."""
    momentum: float = 0.9
    """For `momentum`."""
    beta1: float = 0.9
    """For `adam` and `adamw`."""
    beta2: float = 0.999
    """For `adam` and `adamw`."""
    eps: float = 1e-8
    """For `adam` and `adamw`."""
    weight_decay: float = 0.01
    """For `adamw`."""
    clip: float = 5.0
    """Largest norm of the gradient; 0: no clipping."""
    clip_by: Literal["global", "leaf"] = "global"
    """Clip the norm of all gradients together, or of each leaf."""
    schedule: Annotated[Literal["constant", "cosine", "plateau"] | None, _by_task("schedule")] = (
        None
    )
    """Course of the learning rate."""
    warmup: Annotated[int | None, _by_task("warmup")] = None
    """Updates over which the learning rate rises from zero."""
    plateau_patience: int = 2
    """For `plateau`: validations without progress before the rate is halved."""

    evaluate_every: Annotated[int | None, _by_task("evaluate_every")] = None
    """Updates between validations."""
    patience: int = 0
    """Stop after so many validations without progress; 0: never."""

    @property
    def task(self) -> str:
        """ "anbn" or "text"."""
        return "text" if self.data else "anbn"

    def resolved(self) -> "Options":
        """The same with every None replaced, and checked.

        Raises:
            InputError: names the option that cannot be.
        """
        defaults = DEFAULTS[self.task]
        missing = {k: v for k, v in defaults.items() if getattr(self, k) is None}
        found = replace(self, **missing)
        require_ranges(vars(found), found.task)
        return found

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; paths as strings."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Any) -> "Options":
        """The inverse of `to_json`.

        Raises:
            InputError: an entry is unknown, as from a newer version, or of another type.
        """
        if not isinstance(stored, dict):
            raise InputError(f"configuration: got {type(stored).__name__}, expected an object")
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(stored) - known)
        if unknown:
            raise InputError(f"configuration: unknown entries {', '.join(unknown)}")
        paths = {k: Path(stored[k]) for k in ("data", "out") if stored.get(k)}
        found = cls(**{**stored, **paths})
        require_types(vars(found), get_type_hints(cls))
        return found

    def config(self, vocab_size: int) -> Config:
        """Sizes and dtype of the model, once the options are resolved."""
        return Config(vocab_size, self.hidden or 1, self.layers or 1, self.dtype)
