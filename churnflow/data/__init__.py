"""The real data set that comes with churnflow, for `churnflow demo` and `churnflow new`."""
