"""A run's folder: one writer, one commit point, and nothing that is read before it is judged.

- `disk`          every change of a file, in the order that a power cut needs
- `owner`         who may write: a lock that the system takes back when its holder dies
- `regular_files` regular files of a bearable size, and nothing else
- `tensor_file`   a file of tensors: its size is held to its header before memory is taken
- `contents`      what a checkpoint and a line of the metrics must hold, before it is used
- `metrics`       the lines, their digest, and what was cut or is damaged
- `folder`        the files of a run, and the commit that binds them together
- `taking_up`     going on with a run: everything is held to its last commit
- `signals`       what ends a run, and how

What is promised, and how it is shown: docs/keep.md.
"""
