"""`FILE.py:FUNCTION` with a layout: an LSTM's function in a file, and how it is called."""

from dataclasses import dataclass
from pathlib import Path

from gradparity.common.address import imported, named
from gradparity.returned.call.layouts import Layout, layout_named
from gradparity.returned.call.returned import SubjectError
from gradparity.returned.call.subject import Manner, Subject


@dataclass(frozen=True)
class Address:
    """A subject in a file.

    `layout` is a name, a description, or the name of a `Layout` in the file.
    """

    file: Path
    function: str
    layout: str
    kind: str
    state: bool | None = None
    learning_rate: float | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.function}, a {self.kind} in layout {self.layout}"

    def subject(self) -> Subject:
        """Import the file, and take the subject from it.

        Raises:
            InputError: there is no such function or layout in it.
        """
        module = imported(self.file)
        function = named(module, self.function, self.file, "function ")
        if not callable(function):
            raise SubjectError(f"{self.file}: {self.function} is no function")
        own = getattr(module, self.layout, None)
        layout = own if isinstance(own, Layout) else layout_named(self.layout)
        return Subject(
            function, Manner(self.kind, layout, self.state, learning_rate=self.learning_rate)
        )
