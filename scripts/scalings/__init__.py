"""Parts of `scripts/scaling.py`: timed processes, a model of a step's time, a figure."""
