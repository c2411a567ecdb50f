"""SCAYLE, the shop: orders, payments, refunds by return-items, sellable stock."""

from __future__ import annotations

from pathlib import Path

from integrator.platforms.contract import load

CONTRACT = load("scayle", "SCAYLE", Path(__file__).with_name("contract.toml"))
