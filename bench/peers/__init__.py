"""The other side: what somebody would write with a bare Django and a task queue."""
