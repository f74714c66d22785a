"""A subject's function called on probes, in the layout in which it keeps its parameters."""
