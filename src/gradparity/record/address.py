"""`FILE.py:NAME` at the command line: what it names, and with which arguments."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gradparity.common.address import imported, named
from gradparity.record.subject.forms import Form, form_of, has_both
from lstm_spec import InputError

ARGUMENTS = "arguments"


@dataclass(frozen=True)
class Named:
    """A subject in a file.

    Attributes:
        file, name: `FILE.py:NAME`.
        backward: name of the backward function, for a forward one.
        arguments: name of what gives the arguments.
    """

    file: Path
    name: str
    backward: str | None = None
    arguments: str = ARGUMENTS

    def form(self) -> Form:
        """Import the file, and take the subject and its arguments from it.

        NAME is a function without parameters that returns what `gradparity.diagnose` takes:
        `(function, params, x, y)`, `((forward, backward), x, w)`, `(layer, x)`. Or it is the
        function, class or object itself, and the arguments come from `arguments()` in the file.

        Raises:
            InputError: there is no such thing in the file, or it fits nowhere.
        """
        module = imported(self.file)
        subject = named(module, self.name, self.file)
        if isinstance(subject, type):
            subject = subject()
        if self.backward is None and _without_parameters(subject):
            return self._of_case(subject())
        given = self._arguments(module)
        backward = named(module, self.backward, self.file) if self.backward else None
        if given and has_both(given[0]) and not has_both(subject):
            subject, given = given[0], given[1:]
        return self._named(form_of(subject, given, {}, backward))

    def _of_case(self, case: Any) -> Form:
        if not isinstance(case, tuple) or not case:
            raise InputError(
                f"{self.file}:{self.name}: it returned {type(case).__name__}, expected a tuple "
                "of the subject and its arguments: (function, params, x, y), "
                "((forward, backward), x, w) or (layer, x)"
            )
        subject, *given = case
        pair = isinstance(subject, tuple) and len(subject) == 2 and all(map(callable, subject))
        if pair and not all(map(has_both, subject)):
            return self._named(form_of(subject[0], tuple(given), {}, subject[1]))
        return self._named(form_of(subject, tuple(given), {}))

    def _named(self, form: Form) -> Form:
        form.name = f"{self.file}:{self.name}"
        return form

    def _arguments(self, module: ModuleType) -> tuple[Any, ...]:
        given = getattr(module, self.arguments, None)
        if given is None:
            raise InputError(
                f"{self.file}: {self.name} takes arguments, and there is no {self.arguments} in "
                "the file, expected a function that returns them as a tuple; or name a function "
                "without parameters that returns (subject, *arguments)"
            )
        found = given() if callable(given) else given
        return tuple(found) if isinstance(found, tuple | list) else (found,)


def _without_parameters(subject: Any) -> bool:
    if has_both(subject) or not callable(subject):
        return False
    try:
        parameters = inspect.signature(subject).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(p.default is not p.empty for p in parameters) and not any(
        p.kind is p.VAR_POSITIONAL for p in parameters
    )
