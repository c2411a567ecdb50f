"""Prints which test proves which requirement: `python -m tests.requirements`. Runs no test."""

import sys
import tomllib
from collections import defaultdict
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("requirements.toml")


class Marks:
    """A pytest plugin that notes the requirement marks of everything collected."""

    def __init__(self) -> None:
        self.tests: defaultdict[str, list[str]] = defaultdict(list)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            # One line per test function, however many parameters it has.
            name = item.nodeid.partition("[")[0]
            for mark in item.iter_markers("requirement"):
                for requirement in mark.args:
                    if name not in self.tests[requirement]:
                        self.tests[requirement].append(name)


def table(tests: dict[str, list[str]], closed: list[str]) -> tuple[list[str], list[str]]:
    """The lines to print, and the closed requirements that no test proves."""
    lines = []
    for requirement in sorted({*closed, *tests}):
        names = tests.get(requirement, [])
        state = "closed" if requirement in closed else "open"
        lines.append(f"{requirement}  {state:6}  {len(names)} tests")
        lines += [f"      {name}" for name in names]
    return lines, [requirement for requirement in closed if not tests.get(requirement)]


def main() -> int:
    closed: list[str] = tomllib.loads(LIST.read_text())["CLOSED"]
    marks = Marks()
    said = StringIO()
    with redirect_stdout(said):
        status = pytest.main(["--collect-only", "-q"], plugins=[marks])
    if status != pytest.ExitCode.OK:
        print(said.getvalue())
        return int(status)
    lines, missing = table(marks.tests, closed)
    print("\n".join(lines))
    if missing:
        print(f"Closed, but no test proves it: {', '.join(missing)}.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
