"""The nouns: immutable values without I/O."""
