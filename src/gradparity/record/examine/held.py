"""How much of a backward pass is known, line by line."""

import numpy as np

from gradparity.record.examine.passes import backward_slots
from gradparity.record.graph.truth import Truth
from gradparity.record.locate.known.recognise import EXACT, PARTIAL, Table, fingerprints
from gradparity.record.run.runs import Record, Runner


def hold(runner: Runner, record: Record, truth: Truth) -> tuple[int, list[int]]:
    """How many lines of the backward pass have values that are known to be true, and the others."""
    backward = backward_slots(runner, record, truth)
    named = [s.provenance for s in record.seen if truth.of_forward(s.provenance)]
    seen = [s for s in record.seen if s.slot in backward]
    if not seen:
        return 0, []
    values = [record.graph.values(s.provenance) for s in seen]
    states, _, _ = Table(truth, named).states(fingerprints(values))
    known = np.isin(states, (EXACT, PARTIAL))
    places = np.array([s.slot for s in seen])
    slots = runner.code.program.slots
    held = {
        (slots[n].statement.file, slots[n].statement.line)
        for n in np.unique(places)
        if known[places == n].all()
    }
    every = {(slots[n].statement.file, slots[n].statement.line) for n in places}
    return len(held), sorted(line for _, line in every - held)
