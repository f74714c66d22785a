"""What `gradparity.diagnose` returns."""

from gradparity.record.report.findings import Findings
from gradparity.record.report.terminal import as_text
from gradparity.trees.errors import GradientError


class Recording(Findings):
    """Everything that recording a subject has shown; as a text, the report."""

    def raise_if_wrong(self) -> None:
        """Nothing, or an error with the report for its message: what a test calls.

        Raises:
            GradientError: the gradients are wrong.
        """
        if not self.ok:
            raise GradientError(str(self), self)

    def __str__(self) -> str:
        return as_text(self)
