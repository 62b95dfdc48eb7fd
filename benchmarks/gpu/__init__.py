"""What a GPU gives, in stages that each leave a table: see `python -m benchmarks.gpu --help`."""
