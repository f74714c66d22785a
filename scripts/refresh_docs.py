"""Run the commands whose output the documentation shows, and put what they print in its place.

A block that follows a line `<!-- output: COMMAND -->` is replaced; a last word `| tail -N` or
`| head -N` keeps so many lines. Its first line stays if it begins with $. Give parts of commands
to refresh only those.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from lstm_spec.exits import guarded

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(<!-- output: (.+?) -->\n```\w*\n(?:\$ (?:[^\n]*\\\n)*[^\n]*\n)?)(.*?)(```)", re.DOTALL
)
TAIL = re.compile(r" \| (head|tail) -(\d+)$")


def main() -> None:
    """Refresh every block whose command contains one of the arguments, or all."""
    wanted = sys.argv[1:]
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = BLOCK.sub(lambda match: _refreshed(match, wanted), text)
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: refreshed")


def _refreshed(match: re.Match[str], wanted: list[str]) -> str:
    command = match[2]
    if wanted and not any(word in command for word in wanted):
        return match[0]
    print(f"$ {command}", flush=True)
    cut = TAIL.search(command)
    printed = _output(TAIL.sub("", command))
    if cut:
        count = int(cut[2])
        printed = [*printed[:count], "…"] if cut[1] == "head" else ["…", *printed[-count:]]
    return match[1] + "".join(f"{line}\n" for line in printed) + match[4]


def _output(command: str) -> list[str]:
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"COLUMNS": "80", "PATH": path}
    result = subprocess.run(
        command, shell=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    return [line.rstrip() for line in result.stdout.splitlines()]


if __name__ == "__main__":
    sys.exit(guarded("refresh_docs.py", main))
