"""Records what NumPy code computes, into a graph that knows nothing of NumPy."""
