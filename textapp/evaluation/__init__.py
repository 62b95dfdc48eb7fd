"""The numbers of a report: metrics, intervals, tests; from labels and answers alone."""
