"""Gives one command a PostgreSQL: `python -m integrator.local COMMAND...`

Where DATABASE_URL names one, that one is used; otherwise a private server starts and its address is
put into DATABASE_URL. Not for production.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import environ

from integrator.private_postgres import Server, UnableToStart

BASE_DIR = Path(__file__).resolve().parent.parent


class Command:
    """The command that was asked for, with every signal we get passed on to it."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    PATIENCE = 3

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        # On a terminal it stays in our process group, which the terminal interrupts as a whole
        # and which alone may read the keyboard. Elsewhere it gets a group, so that its own
        # children can be stopped with it.
        self._on_terminal = sys.stdin is not None and sys.stdin.isatty()
        self._process: subprocess.Popen[bytes] | None = None
        self._received: list[int] = []

    def run(self) -> int:
        for number in self.SIGNALS:
            signal.signal(number, self._pass_on)
        self._process = subprocess.Popen(self._arguments, start_new_session=not self._on_terminal)
        for received in self._received:
            self._send(received)
        status = self._process.wait()
        if not self._on_terminal:
            self._send(signal.SIGTERM)
        return status if status >= 0 else 128 - status

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._received.append(number)
        if self._process is None:
            return
        if len(self._received) >= self.PATIENCE:
            self._send(signal.SIGKILL)
        elif not (self._on_terminal and number == signal.SIGINT):
            self._send(number)

    def _send(self, number: int) -> None:
        assert self._process is not None
        try:
            if self._on_terminal:
                self._process.send_signal(number)
            else:
                os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # it has ended by itself (macOS answers "not permitted" for an ended group)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _with_server(data: Path, arguments: list[str]) -> int:
    for number in Command.SIGNALS:
        signal.signal(number, _leave)
    server = Server(data)
    try:
        server.acquire()
        os.environ["DATABASE_URL"] = server.url
        # Tells the demo that this database is its own and may be emptied.
        os.environ["PRIVATE_DATABASE"] = "1"
        return Command(arguments).run()
    finally:
        for number in Command.SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        server.release()


def main(arguments: list[str]) -> int:
    if not arguments:
        print("usage: python -m integrator.local COMMAND...", file=sys.stderr)
        return 2
    if not os.environ.get("LOCAL_POSTGRES"):
        environ.Env.read_env(BASE_DIR / ".env")
    try:
        if os.environ.get("DATABASE_URL"):
            os.execvp(arguments[0], arguments)
        data = Path(os.environ.get("LOCAL_POSTGRES") or BASE_DIR / ".local" / "postgres")
        return _with_server(data, arguments)
    except (OSError, UnableToStart) as fault:
        print(f"integrator.local: {fault}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
