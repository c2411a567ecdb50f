"""SCAYLE as its Admin API behaves."""
