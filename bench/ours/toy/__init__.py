"""One record with one status, guarded as every status of the product is."""
