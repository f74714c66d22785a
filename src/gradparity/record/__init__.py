"""Which line of a hand-written backward pass is wrong: recorded, and held to its forward pass."""
