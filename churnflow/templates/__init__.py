"""The files that `churnflow new` writes; words in [[double brackets]] are filled in."""
