"""From a wrong gradient to the wrong lines, and what should stand there."""
