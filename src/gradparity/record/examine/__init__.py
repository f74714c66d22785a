"""From a subject to a verdict, and from a wrong one to its lines and what they mean."""
