"""Right backward passes by other hands: called right, with nothing blamed."""

import pytest

from gradparity.record.examine.engine import examine
from gradparity.record.run.runs import Runner
from record.subject_files import FOLDER, NAMES, brought, loaded


@pytest.mark.parametrize("name", NAMES)
def test_a_right_subject_is_called_right(name):
    for seed in (0, 1):
        found = examine(Runner(brought(loaded(FOLDER / name)), seed))
        assert found.ok, (name, seed, found.wrong)
        assert found.held > 0
        assert not found.suspects
