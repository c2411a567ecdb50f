"""Our side of the benchmarks: the product's own engine and receiver, with one toy record."""
