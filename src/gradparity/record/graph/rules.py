"""Derivatives of operations: JAX's own, traced once for each kind of operation and kept.

JAX is asked for the vector-Jacobian product of its function of the same name, which is the oracle:
no rule of differentiation is written here. What it answers is a program of primitive operations
(a jaxpr), and `interpreter.py` runs that on NumPy's arrays, which saves compiling every shape.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from gradparity.record.graph.interpreter import Program
from gradparity.record.graph.nodes import Array, Operation


class Rules:
    """The vector-Jacobian products of the operations met so far."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Program] = {}

    def pull(
        self, operation: Operation, operands: Sequence[Array], cotangents: Array
    ) -> list[Array]:
        """What each operand receives of a result's cotangents.

        Args:
            operation: with a derivative.
            operands: their values.
            cotangents: `(many, *shape of the result)`.

        Returns:
            For each operand `(many, *its shape)`.
        """
        if operation.elementwise:
            return self._elementwise(operation, operands, cotangents)
        shapes = tuple(x.shape for x in operands)
        key = (operation.key, shapes, len(cotangents))
        if key not in self._found:
            self._found[key] = _traced(operation, shapes, cotangents.shape)
        return self._found[key](*operands, cotangents)

    def push(
        self, operation: Operation, operands: Sequence[Array], batched: Sequence[bool]
    ) -> Array:
        """The results for many values of some operands, whose first axis counts them.

        Raises:
            ValueError: the operation cannot be run again.
        """
        if operation.elementwise and operation.run is not None:
            shapes = [x.shape[1:] if b else x.shape for x, b in zip(operands, batched, strict=True)]
            rank = max(map(len, shapes))
            spread = [
                x.reshape(len(x), *(1,) * (rank - len(s)), *s) if b else x
                for x, b, s in zip(operands, batched, shapes, strict=True)
            ]
            with np.errstate(all="ignore"):
                return np.asarray(operation.run(*spread), dtype=np.float64)
        shapes = [x.shape for x in operands]
        key = ("push", operation.key, tuple(shapes), tuple(batched))
        if key not in self._found:
            self._found[key] = _forward(operation, shapes, batched)
        return self._found[key](*operands)[0]

    def _elementwise(
        self, operation: Operation, operands: Sequence[Array], cotangents: Array
    ) -> list[Array]:
        """As for numbers, entry by entry; an operand that was spread receives the sum."""
        key = (operation.key, len(operands))
        if key not in self._found:
            self._found[key] = _traced(operation, ((),) * len(operands), ())
        shape = cotangents.shape[1:]
        spread = [np.broadcast_to(x, shape) for x in operands]
        found = self._found[key](*spread, cotangents)
        return [
            _unspread(np.broadcast_to(g, cotangents.shape), x.shape)
            for g, x in zip(found, operands, strict=True)
        ]


def _unspread(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The sum over axes along which an operand was broadcast, `(many, *shape)`."""
    extra = gradient.ndim - 1 - len(shape)
    axes = [*range(1, 1 + extra)]
    axes += [
        1 + extra + k for k, n in enumerate(shape) if n == 1 and gradient.shape[1 + extra + k] != 1
    ]
    if not axes:
        return gradient
    return gradient.sum(axis=tuple(axes)).reshape(gradient.shape[0], *shape)


def _traced(
    operation: Operation, shapes: Sequence[tuple[int, ...]], cotangents: tuple[int, ...]
) -> Program:
    """The program of an operation's vector-Jacobian product, for many cotangents at once."""
    import jax

    if operation.function is None:
        raise ValueError(f"{operation.name} has no derivative")
    with jax.enable_x64(True):
        function = operation.function()

        def pull(*arguments: jax.Array) -> tuple:
            *operands, cotangents = arguments
            return jax.vjp(function, *operands)[1](cotangents)

        every = (None,) * len(shapes)
        many = pull if operation.elementwise else jax.vmap(pull, in_axes=(*every, 0))
        numbers = [jax.ShapeDtypeStruct(s, np.float64) for s in (*shapes, cotangents)]
        return Program(jax.make_jaxpr(many)(*numbers))


def _forward(
    operation: Operation, shapes: Sequence[tuple[int, ...]], batched: Sequence[bool]
) -> Program:
    """The program of an operation, for many values of some operands at once."""
    import jax

    if operation.function is None:
        raise ValueError(f"{operation.name} cannot be run again")
    with jax.enable_x64(True):
        many = jax.vmap(operation.function(), in_axes=tuple(0 if b else None for b in batched))
        numbers = [jax.ShapeDtypeStruct(s, np.float64) for s in shapes]
        return Program(jax.make_jaxpr(many)(*numbers))
