"""Starts the sandbox server: ``python -m integrator.sandbox --port 8100 --seed 1 [--traffic]``.

With ``--state FILE`` the books outlive a stop. The file is taken away while the sandbox runs, so
that a killed one starts empty instead of with books that are older than the world knows.
"""

from __future__ import annotations

import argparse
import logging
import pickle
import signal
import sys
import threading
from pathlib import Path

from integrator.sandbox.server import HOST, Server, UnableToServe, serve
from integrator.sandbox.traffic import Traffic


def main() -> int:
    parser = argparse.ArgumentParser(prog="integrator.sandbox", description=__doc__)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traffic", action="store_true", help="simulate shoppers as well")
    parser.add_argument("--state", type=Path, help="keep the books in this file between runs")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        server = serve(options.host, options.port, options.seed)
    except UnableToServe as error:
        print(error, file=sys.stderr)
        return 2
    if options.state:
        _load(server, options.state)
    print(f"Sandbox on {server.url}, seed {options.seed}. Stop it with Ctrl-C.")
    if options.traffic:
        traffic = Traffic(server.url, seed=options.seed)
        threading.Thread(target=traffic.run, name="traffic", daemon=True).start()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: server.end_waiting())
    server.wait()
    server.stop()
    if options.state:
        _save(server, options.state)
    return 0


def _load(server: Server, state: Path) -> None:
    if state.exists():
        # Our own file of a demo on this machine: the sandbox never runs beside real data.
        server.sandbox.world = pickle.loads(state.read_bytes())  # nosec B301
        state.unlink()


def _save(server: Server, state: Path) -> None:
    server.sandbox.settle()
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_bytes(pickle.dumps(server.sandbox.world))


if __name__ == "__main__":
    sys.exit(main())
