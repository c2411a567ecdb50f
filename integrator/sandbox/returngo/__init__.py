"""ReturnGO as its API behaves."""
