"""What the rewritten source calls: values pass through it, and calls are made by it."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import numpy as np

from gradparity.record.frontend import session
from gradparity.record.frontend.array import (
    FUNCTIONS,
    Recorded,
    holds_recorded,
    plain,
    recorded,
    wrap,
)
from gradparity.record.frontend.creates import REPLACED, vectorized
from gradparity.record.frontend.libraries import handler_of
from gradparity.record.frontend.moves import OF_MANY, array
from gradparity.record.frontend.source import Program
from gradparity.record.graph.nodes import Operation, Place, Provenance


def unclipped(array: Any, *bounds: Any, out: Any = None, **options: Any) -> Any:
    """What `np.clip` would be given, as it is."""
    if out is None:
        return array
    if out is not array:
        out[...] = array
    return out


def leaves_nothing(bounds: tuple, options: Mapping[str, Any]) -> bool:
    """Whether a clip's lower bound is above its upper one, so that it replaces everything."""
    low, high = [*bounds, None, None][:2]
    low = options.get("a_min", options.get("min", low))
    high = options.get("a_max", options.get("max", high))
    both = low is not None and high is not None
    return both and bool(np.any(np.greater(plain(low), plain(high))))


IDENTITY = Operation("=", lambda: lambda x: x, "identity", True, lambda x: x)
# Functions that read a list as several arrays; every other one reads it as one.
OF_SEVERAL = frozenset({*OF_MANY, np.choose, np.select, np.linalg.multi_dot, np.lexsort})
TAKES_FUNCTIONS = frozenset({"map", "filter", "partial", "reduce"})


@dataclass(slots=True)
class Seen:
    """A value at a slot.

    Attributes:
        slot: its number.
        turn: how often the slot had been executed before.
        part: which element of a tuple it is; 0 for what is no tuple.
        provenance: of the value as it was then.
        chain: the places that were being executed, innermost first.
        span: the addresses of the value's memory.
        size: of the pool then.
    """

    slot: int
    turn: int
    part: int
    provenance: Provenance
    chain: tuple[Place, ...]
    span: tuple[int, int]
    size: int


@dataclass(frozen=True)
class Patch:
    """Another expression for a slot.

    Attributes:
        code: the expression; of an addend, of what the assignment makes.
        target: of an addend, what is assigned to; None for any other slot.
        operator: how the addend enters.
    """

    code: CodeType
    target: CodeType | None = None
    operator: str = ""

    def value(self, frame: FrameType) -> Any:
        """The slot's value."""
        names = frame.f_globals | frame.f_locals
        made = self.made(names)
        if self.target is None:
            return made
        now = eval(self.target, names)
        if self.operator == "Add":
            return made - now
        if self.operator == "Sub":
            return now - made
        # Where it is zero it stays zero, whatever the factor.
        ratio = made / now if self.operator == "Mult" else now / made
        return np.where((now == 0) & (made == 0), 1.0, ratio)

    def made(self, names: dict[str, Any]) -> Any:
        """The expression's value."""
        return eval(self.code, names)


@dataclass
class Hooks:
    """Watches one run of a subject; this one only lets values pass.

    Attributes:
        program: the rewritten source.
        files: the subject's files.
        patches: other expressions for slots, by number.
        codes: other code for functions, by their own.
        keep: for each slot whether its expression is evaluated where it stands.
    """

    program: Program
    files: frozenset[str]
    patches: Mapping[int, "Patch"] = field(default_factory=dict)
    codes: Mapping[CodeType, CodeType] = field(default_factory=dict)
    keep: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self.keep = [True] * len(self.program.slots)
        for number in self.patches:
            self.keep[number] = False

    def look_into(self, slots: Iterable[int]) -> None:
        """Have the expressions of some slots evaluated by `e`, where that can be done."""
        for number in slots:
            if self.program.slots[number].code is not None and number not in self.patches:
                self.keep[number] = False

    def call(self, function: Callable, *arguments: Any, **options: Any) -> Any:
        """Call a function of anybody's; what is left uninitialised holds zeros."""
        function = _initialised(function)
        if self.program.unclipped and self._lets_pass(function, arguments[1:], options):
            return unclipped(*arguments, **options)
        _require_fit(function, arguments)
        return function(*arguments, **options)

    def _lets_pass(self, function: Callable, bounds: tuple, options: Mapping[str, Any]) -> bool:
        if getattr(function, "__name__", "") != "clip" or leaves_nothing(bounds, options):
            return False
        frame = sys._getframe(2)
        return (frame.f_code.co_filename, frame.f_lineno) in self.program.unclipped

    def s(self, number: int, value: Any) -> Any:
        """A slot's value."""
        return value

    def e(self, number: int) -> Any:
        """A slot's value, to be evaluated here, in its frame."""
        frame = sys._getframe(1)
        if number in self.patches:
            return self.s(number, self.patches[number].value(frame))
        return self.evaluated(number, frame)

    def after(self, number: int, value: Any) -> None:
        """What an assignment in place has made."""

    def evaluated(self, number: int, frame: FrameType) -> Any:
        """The slot's own expression."""
        code = self.program.slots[number].code
        assert code is not None
        return eval(code, frame.f_globals | frame.f_locals)


@dataclass
class Recorder(Hooks):
    """Records one run.

    Attributes:
        minted: numbers of slots whose values become numbers of their own, so that the gradient
            by the value alone can be asked for.
        seen: every real array or number at a slot, in order.
        alive: what keeps the memory of seen values from being used again.
    """

    minted: frozenset[int] = frozenset()
    chains: bool = False
    seen: list[Seen] = field(default_factory=list)
    alive: list[Any] = field(default_factory=list)
    turns: dict[int, int] = field(default_factory=dict)

    def call(self, function: Callable, *arguments: Any, **options: Any) -> Any:
        """Call, with what makes arrays replaced by what records."""
        function = _initialised(function)
        if self.program.unclipped and self._lets_pass(function, arguments[1:], options):
            return unclipped(*arguments, **options)
        try:
            own = REPLACED.get(function) or handler_of(function, arguments, options)
        except TypeError:  # it cannot be hashed
            own = None
        if type(function) is np.vectorize:
            own = vectorized(function.pyfunc)
        if own is not None:
            return own(*arguments, **options)
        if getattr(function, "__name__", "") in TAKES_FUNCTIONS:
            arguments = tuple(_replaced(a) for a in arguments)
        function, arguments = _asked(function, arguments)
        found = function(*arguments, **options)
        if type(found) is np.ndarray and found.dtype.kind == "f" and not self._own(function):
            return recorded(found)
        return found

    def _own(self, function: Callable) -> bool:
        code = getattr(function, "__code__", None)
        return code is not None and code.co_filename in self.files

    def s(self, number: int, value: Any) -> Any:
        """Note the value; one that is to be minted gets numbers of its own."""
        turn = self.turns.get(number, 0)
        self.turns[number] = turn + 1
        if isinstance(value, tuple):
            if type(value) is not tuple:
                for part, v in enumerate(value):
                    self._see(number, turn, part, v)
                return value
            return tuple(self._see(number, turn, part, v) for part, v in enumerate(value))
        return self._see(number, turn, 0, value)

    def after(self, number: int, value: Any) -> None:
        """Note what an assignment in place has made."""
        turn = self.turns.get(number, 0)
        self.turns[number] = turn + 1
        self._see(number, turn, 0, value, mint=False)

    def _see(self, number: int, turn: int, part: int, value: Any, mint: bool = True) -> Any:
        if isinstance(value, list) and mint and 0 < len(value) < 1000:
            return value
        minting = mint and number in self.minted
        if not isinstance(value, Recorded):
            if not minting or not isinstance(value, float | np.floating):
                return value
            value = recorded(np.float64(value))
        if value.dtype.kind not in "fb" or not value.size:
            return value
        if minting and value.dtype.kind == "f":
            value = self._mint(value)
        chain = self._chain() if self.chains else ()
        graph = session.graph()
        span = np.lib.array_utils.byte_bounds(value)
        places = (
            value.provenance if value.provenance is not None else recorded(plain(value)).provenance
        )
        self.seen.append(Seen(number, turn, part, places.copy(), chain, span, graph.size))
        self.alive.append(value)
        return value

    def _mint(self, value: Recorded) -> Recorded:
        graph = session.graph()
        values = plain(value)
        copied = values.copy(order="K") if not value.scalar else values[()]
        array = np.asarray(copied)
        made = graph.node(IDENTITY, [value.provenance.copy()], array, session.place())
        like = np.empty_like(array, dtype=np.int64)
        like[...] = made
        return wrap(copied, like)

    def _chain(self) -> tuple[Place, ...]:
        found = []
        frame: FrameType | None = sys._getframe(3)
        while frame is not None:
            if frame.f_code.co_filename in self.files:
                found.append(Place(frame.f_code, frame.f_lasti))
            frame = frame.f_back
        return tuple(found)


def _initialised(function: Callable) -> Callable:
    """What makes an array of zeros, for what leaves in it whatever was in memory."""
    if function is np.empty:
        return np.zeros
    return np.zeros_like if function is np.empty_like else function


def _require_fit(function: Callable, arguments: tuple) -> None:
    """Refuse values of more axes than there are places: at those, NumPy's `at` would crash."""
    ufunc = getattr(function, "__self__", None)
    if isinstance(ufunc, np.ufunc) and function.__name__ == "at" and len(arguments) == 3:
        array, places, values = arguments
        if np.ndim(values) > np.ndim(array[places]):
            raise ValueError(f"{np.ndim(values)} axes do not fit into {np.ndim(array[places])}")


def _asked(function: Callable, arguments: tuple) -> tuple[Callable, tuple]:
    """A call that NumPy would not let recorded arrays answer, so that they do.

    A plain array's own method asks no argument, and a function asks none of a list's elements.
    """
    owner = getattr(function, "__self__", None)
    if type(owner) is np.ndarray and any(isinstance(a, Recorded) for a in arguments):
        return getattr(recorded(owner), function.__name__), arguments
    if _reads_one_array(function):
        lists = [isinstance(a, list | tuple) and holds_recorded(a) for a in arguments]
        if any(lists):
            made = (array(a) if there else a for a, there in zip(arguments, lists, strict=True))
            return function, tuple(made)
    return function, arguments


def _reads_one_array(function: Callable) -> bool:
    """Whether a list among its arguments is one array to a function."""
    if isinstance(function, np.ufunc):
        return True
    module = getattr(function, "__module__", None) or ""
    return module.startswith("numpy") and function in FUNCTIONS and function not in OF_SEVERAL


def _replaced(value: Any) -> Any:
    try:
        return REPLACED.get(value, value)
    except TypeError:
        return value
