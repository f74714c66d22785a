"""What a run is told: options, their defaults by task, and which do not go together."""
