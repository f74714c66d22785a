"""What a search has found, as findings in words."""
