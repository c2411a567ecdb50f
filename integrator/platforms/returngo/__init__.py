"""ReturnGO, the returns portal: the return, its inspection, its resolution and its transactions."""

from __future__ import annotations

from pathlib import Path

from integrator.platforms.contract import load

CONTRACT = load("returngo", "ReturnGO", Path(__file__).with_name("contract.toml"))
