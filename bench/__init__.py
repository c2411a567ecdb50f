"""Benchmarks: ratios to a peer, both sides interleaved in one run. Never timed tests."""
