"""Somebody's code: how it is called, and which gradient belongs to which parameter."""
