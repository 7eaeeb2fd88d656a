"""Outputs to files and back: a module with SUFFIX, dump and load for each form."""
