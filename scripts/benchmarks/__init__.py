"""What scripts/benchmark.py measures, and how.

`cases.py` has the sizes, `ours.py` and the files named `*_peer(s).py` what is run on them,
`worker.py` one measurement in a process of its own, `rounds.py` the rounds, `report.py` and
`figure.py` what is shown.
"""
