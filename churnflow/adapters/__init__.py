"""The outside world: git, the file system, and the code of steps, each behind one port of the engine."""
