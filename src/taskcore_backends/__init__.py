"""The adapters that keep taskcore's records: one module or package for each store, none of which imports another."""
