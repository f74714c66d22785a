"""The two implementations held to each other, equation by equation and step by step."""
