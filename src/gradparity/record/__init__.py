"""Which line of a hand-written backward pass is wrong: record it, and hold it to its own forward."""
