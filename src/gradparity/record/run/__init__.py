"""A subject run plainly, watched, changed and recorded; which gradient is whose."""
