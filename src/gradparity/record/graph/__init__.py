"""What was recorded: every number's provenance, and the truth about it by autodiff."""
