"""Programs a benchmark starts beside itself: each in a process group of its own, ended as one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
END_SECONDS = 10.0


class ProgramEnded(Exception):
    """A program that should be at work is not; its last words are in the message."""


def run(words: Sequence[str], env: Mapping[str, str]) -> str:
    """Run a program to its end and return what it printed."""
    done = subprocess.run(
        words, env={**os.environ, **env}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ProgramEnded(f"{' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def python(*words: str) -> list[str]:
    return [sys.executable, *words]


@contextmanager
def running(
    programs: Sequence[Sequence[str]], env: Mapping[str, str]
) -> Iterator[Callable[[], None]]:
    """Keep programs running. Yields a check that raises when one of them has ended."""
    LOCAL.mkdir(exist_ok=True)
    with ExitStack() as stack:
        started = []
        for words in programs:
            said = stack.enter_context((LOCAL / f"bench-{len(started)}.log").open("w+b"))
            process = subprocess.Popen(
                words,
                env={**os.environ, **env},
                cwd=ROOT,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            stack.callback(_end, process)
            started.append((process, said.name))

        def check() -> None:
            for process, log in started:
                if process.poll() is not None:
                    raise ProgramEnded(f"{process.args}\n{Path(log).read_text()[-4000:]}")

        yield check


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    with suppress(ProcessLookupError):  # children that outlived their parent
        os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_listening(port: int, check: Callable[[], None], seconds: float = 30.0) -> None:
    def answers() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    until(answers, check, seconds=seconds)


def until(done: Callable[[], bool], check: Callable[[], None], *, seconds: float = 60.0) -> None:
    """Look every tenth of a second whether something is done; the programs must stay alive."""
    end = time.monotonic() + seconds
    while not done():
        check()
        if time.monotonic() > end:
            raise ProgramEnded(f"nothing came of it within {seconds:.0f} s")
        time.sleep(0.1)
