"""Batch scoring: a whole file of customers by the released model, as a ranked list; reached by name alone."""
