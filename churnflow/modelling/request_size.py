"""How many customers one request may ask about: fewer where the model is so wide that many would take the memory."""

from typing import Final

MAX_CUSTOMERS: Final = 1000
# Encoded they are of eight bytes each, 40 MB in all, beside those of other requests that are answered at the time.
MAX_CELLS: Final = 5_000_000


def most_customers(width: int) -> int:
    """Return how many customers are answered in one request by a model that encodes each in `width` numbers."""
    return max(1, min(MAX_CUSTOMERS, MAX_CELLS // max(1, width)))
