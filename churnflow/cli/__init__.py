"""The command line: one module per group of commands, each command a function that returns an Answer."""
