"""Starts the sandbox server: ``python -m integrator.sandbox --port 8100 --seed 1 [--traffic]``."""

from __future__ import annotations

import argparse
import logging
import sys
import threading

from integrator.sandbox.server import HOST, UnableToServe, serve
from integrator.sandbox.traffic import Traffic


def main() -> int:
    parser = argparse.ArgumentParser(prog="integrator.sandbox", description=__doc__)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traffic", action="store_true", help="simulate shoppers as well")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        server = serve(options.host, options.port, options.seed)
    except UnableToServe as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Sandbox on {server.url}, seed {options.seed}. Stop it with Ctrl-C.")
    if options.traffic:
        traffic = Traffic(server.url, seed=options.seed)
        threading.Thread(target=traffic.run, name="traffic", daemon=True).start()
    try:
        server.wait()
    except KeyboardInterrupt:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
