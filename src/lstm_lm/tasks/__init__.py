"""What is learnt: aⁿbⁿ, text; how a text is split into symbols."""
