"""How other people store an LSTM's parameters, and how to get there and back.

A layout describes each array by its axes, separated by commas:

    f i g o     rows of these gates, in this order ("ifgo": four gates stacked)
    h x b       columns that act on the hidden state, on the input, on a constant 1
    v           the vocabulary of the readout
    e           the vocabulary of an embedding, which is set to the identity
    1           an axis of length one

So PyTorch's `weight_ih_l0 (4*hidden, inputs)` is "ifgo,x", and a Keras kernel
`(inputs, 4*hidden)` is "x,ifgo". A bias is "ifgo", the readout "v,h" and "v". Two
biases that are added up are two arrays, or one with a plus: "ifgo+ifgo".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lstm_spec import GATES, InputError

ROWS, COLUMNS, SINGLE = set("figo"), set("hxb"), {"1", "v", "e"}
CONTAINERS = ("mapping", "tuple", "object", "flat")


@dataclass(frozen=True)
class Layout:
    """Where each parameter stands.

    Attributes:
        arrays: description of each array by name, in their order.
        container: what a subject is given: "mapping" (a dict), "tuple", "object"
            (attributes), or "flat" (one vector of all arrays, each in C order).
        sequence: axes of x, h and dh over time: t, b (batch), n (features) and 1.
        state: axes of h0 and C0.
        tokens: axes of token ids; with an n, tokens are one-hot. Without a b, the
            subject takes one sequence at a time.

    Raises:
        InputError: an array's axes make no sense, or a gate's weights are not there.
    """

    arrays: Mapping[str, str]
    container: str = "mapping"
    sequence: str = "t,b,n"
    state: str = "b,n"
    tokens: str = "t,b"
    name: str = field(default="custom", compare=False)

    def __post_init__(self) -> None:
        if self.container not in CONTAINERS:
            raise InputError(
                f"layout: container {self.container!r}, expected one of {', '.join(CONTAINERS)}"
            )
        for name, axes in self.arrays.items():
            _require_sense(name, axes)
        for name in ("sequence", "state", "tokens"):
            _require_axes(name, getattr(self, name))
        for gate in GATES:
            for column, what in (("h", "recurrent"), ("x", "input")):
                if not any(gate in r and column in c for _, r, c in self._weights()):
                    raise InputError(f"layout: no array has the {what} weights of gate {gate}")

    @property
    def has_batch(self) -> bool:
        """Whether a subject takes several sequences side by side."""
        return "b" in self.tokens

    @property
    def has_bias(self) -> bool:
        """Whether there is any bias in the layer."""
        return any(parts(axes).has_gate_bias for axes in self.arrays.values())

    def without_readout(self) -> "Layout":
        """The same without the arrays that a layer or a cell does not have."""
        kept = {n: a for n, a in self.arrays.items() if not {"v", "e"} & set(a.split(","))}
        return replace(self, arrays=kept, name=self.name)

    def _weights(self) -> Iterator[tuple[str, str, str]]:
        for name, axes in self.arrays.items():
            found = parts(axes)
            if found.gates and found.columns:
                yield name, found.gates, found.columns


@dataclass(frozen=True)
class Parts:
    """An array's axes, taken apart.

    Attributes:
        gates, columns: letters of the two axes that matter; empty where there is none.
        repeated: the gates stand twice on their axis (two biases in one array).
        single: "v" or "e" for the readout and an embedding.
        axes: every axis, as written.
    """

    axes: tuple[str, ...]
    gates: str = ""
    columns: str = ""
    repeated: bool = False
    single: str = ""

    @property
    def has_gate_bias(self) -> bool:
        """Whether the gates' bias is in it."""
        return bool(self.gates) and (not self.columns or "b" in self.columns)


def parts(axes: str) -> Parts:
    """Take a description apart."""
    split = tuple(axis.strip() for axis in axes.split(","))
    gates = next((a for a in split if a and set(a) <= ROWS | {"+"}), "")
    columns = next((a for a in split if a and set(a) <= COLUMNS), "")
    single = next((a for a in split if a in ("v", "e")), "")
    first, plus, _ = gates.partition("+")
    return Parts(split, first, columns, bool(plus), single)


def _require_sense(name: str, axes: str) -> None:
    found = parts(axes)
    for axis in found.axes:
        letters = set(axis.replace("+", ""))
        if any(len(set(part)) < len(part) for part in axis.split("+")):
            raise InputError(f"layout: array {name}: {axis!r} has a letter twice")
        if not axis or not (letters <= ROWS or letters <= COLUMNS or axis in SINGLE):
            raise InputError(
                f"layout: array {name}: got axis {axis!r} in {axes!r}, expected gates (figo), "
                "columns (hxb), v, e or 1"
            )
    kinds = sum(map(bool, (found.gates, found.columns, found.single)))
    if not 1 <= kinds <= 2 or len([a for a in found.axes if a != "1"]) != kinds:
        raise InputError(
            f"layout: array {name}: {axes!r} is neither a weight, a bias nor a readout"
        )


def _require_axes(name: str, axes: str) -> None:
    letters = [axis.strip() for axis in axes.split(",")]
    if not set(letters) <= set("tbn1") or len({*letters} - {"1"}) != len(
        [a for a in letters if a != "1"]
    ):
        raise InputError(f"layout: {name}: got axes {axes!r}, expected some of t, b, n and 1")


def _separate(columns: str) -> dict[str, str]:
    return {f"W_{k}": f"{k},{columns}" for k in "figo"}


_BIASES = {f"b_{k}": k for k in "figo"}

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            {**_separate("hx"), **_BIASES, "W_v": "v,h", "b_v": "v"},
            sequence="t,n,b", state="n,b", name="gradparity",
        ),
        Layout(
            {"weight_ih_l0": "ifgo,x", "weight_hh_l0": "ifgo,h", "bias_ih_l0": "ifgo",
             "bias_hh_l0": "ifgo", "weight": "v,h", "bias": "v"},
            name="pytorch",
        ),
        Layout(
            {"kernel": "x,ifgo", "recurrent_kernel": "h,ifgo", "bias": "ifgo",
             "dense_kernel": "h,v", "dense_bias": "v"},
            sequence="b,t,n", tokens="b,t", name="keras",
        ),
        Layout(
            {"W": "1,iofg,x", "R": "1,iofg,h", "B": "1,iofg+iofg", "W_v": "v,h", "b_v": "v"},
            state="1,b,n", name="onnx",
        ),
        Layout(
            {**{f"W_x{k}": f"{k},x" for k in "ifgo"}, **{f"W_h{k}": f"{k},h" for k in "ifgo"},
             **{f"b_x{k}": k for k in "ifgo"}, **{f"b_h{k}": k for k in "ifgo"},
             "W_v": "v,h", "b_v": "v"},
            container="flat", name="cudnn",
        ),
        Layout(
            {"Wx": "x,ifog", "Wh": "h,ifog", "b": "ifog", "W_embed": "e,x",
             "W_vocab": "h,v", "b_vocab": "v"},
            sequence="b,t,n", tokens="b,t", name="cs231n",
        ),
        Layout(
            {"W_f": "f,hx", "W_i": "i,hx", "W_g": "g,hx", "W_o": "o,hx", "W_v": "v,h",
             "b_f": "f,1", "b_i": "i,1", "b_g": "g,1", "b_o": "o,1", "b_v": "v,1"},
            container="tuple", sequence="t,n,1", state="n,1", tokens="t,n,1", name="notebook",
        ),
    )
}  # fmt: skip


def layout_named(text: str) -> Layout:
    """A layout by name, or written out: `Wx=x,ifog Wh=h,ifog b=ifog sequence=b,t,n`.

    Raises:
        InputError: there is none of this name, or the description makes no sense.
    """
    if text in LAYOUTS:
        return LAYOUTS[text]
    if "=" not in text:
        raise InputError(
            f"layout: got {text!r}, expected one of {', '.join(LAYOUTS)}, or a description "
            "such as 'Wx=x,ifog Wh=h,ifog b=ifog'"
        )
    words = [word.partition("=") for word in text.split()]
    given = {name: axes for name, equals, axes in words if equals}
    if len(given) < len(words):
        raise InputError(f"layout: got {text!r}, expected NAME=AXES for each array, once")
    options = {k: given.pop(k) for k in ("container", "sequence", "state", "tokens") if k in given}
    return Layout(given, **options)
