"""The language model that people train: options in, a run's folder and text out.

- `train_cli`, `sample_cli`  the commands
- `loop`, `sampling`         one run, one text
- `keep`                     a run's folder
- `tasks`, `anbn`, `text`    what is learnt; `notation`: how its symbols are written
- `engines`, `engine`        one update, by NumPy or by JAX
- `options`, `option_rules`  everything that decides a run

The floors between them stand in `pyproject.toml`.
"""
