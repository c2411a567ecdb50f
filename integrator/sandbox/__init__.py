"""The platforms as one local server with books of its own: the judge in tests, the demo's world.

Written from the platforms' contracts, not from our clients. It imports nothing of ours.
"""
