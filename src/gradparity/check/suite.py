"""The whole of `gradparity check`: all cases in float64, a few more in float32."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rich.progress import Progress

from gradparity.check.cases import CASES, FLOAT32_CASES, Case, Text
from gradparity.check.report import CheckReport
from gradparity.check.run import Adjoints, Subject, check_case
from gradparity.check.single import check_single


def run_check(
    subject: Subject,
    reference: Adjoints,
    names: tuple[str, str],
    text: str,
    seed: int,
    progress: Progress,
    only: str | None = None,
) -> CheckReport:
    """Hold one backend to another over every case.

    Args:
        subject: the backend that is checked.
        reference: `adjoints` of the one that it is held to.
        names: what to call them.
        text: for the cases that read text.
        seed: of each case's first run.
        progress: told of each case that is done.
        only: name of the one case to run; None runs all.
    """
    start = time.perf_counter()
    corpus = Text.of(text)
    cases, singles = (
        [case for case in some if only in (None, case.name)] for some in (CASES, FLOAT32_CASES)
    )
    task = progress.add_task("checking", total=len(cases) + len(singles))

    def judged(check: Callable, case: Case) -> Any:
        found = check(case, corpus, subject, reference, seed)
        progress.advance(task)
        return found

    # Two at a time: while one case compiles, which takes longest, another runs.
    with ThreadPoolExecutor(max_workers=2) as pool:
        double = [pool.submit(judged, check_case, case) for case in cases]
        single = [pool.submit(judged, check_single, case) for case in singles]
        try:
            blocks = [block for future in double for block in future.result()]
            in_single = [found for future in single for found in future.result()]
        except BaseException:  # Ctrl-C, or a fault: do not run what is still waiting
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    runs = sum(case.runs for case in cases)
    return CheckReport(*names, blocks, in_single, runs, time.perf_counter() - start)
