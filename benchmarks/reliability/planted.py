"""A table of customers with a token that stands nowhere else in every cell that tells of one, and how tokens are found.

A token is looked for as it is, in either case, in base64 (at each of its three alignments), in hex, in UTF-16, and as
the plain digest of the whole cell, which everybody could try; numbers also as the bytes of a double.
"""

import base64
import hashlib
import random
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HEADER = "customer_id,full_name,email,phone,household,comment,city,plan,tenure,bill,odd_amount,joined,churn"
SHORTEST = 8
CITIES = ("Aville", "Bton", "Cburg", "Dham")


@dataclass(frozen=True)
class Planted:
    """The table, and what must stand nowhere else: texts of cells, by column."""

    lines: list[str]
    cells: dict[str, set[str]] = field(repr=False)

    def rows(self) -> list[dict[str, str]]:
        """Return the rows of the table by column."""
        names = HEADER.split(",")
        return [dict(zip(names, line.split(","), strict=True)) for line in self.lines[1:]]

    def write(self, path: Path) -> None:
        """Write the table as CSV."""
        path.write_text("\n".join(self.lines) + "\n")


def plant(rows: int, seed: int) -> Planted:
    """Return customers whose churn depends on tenure, bill and plan, with tokens in all other columns.

    odd_amount has a value with unusual digits in every row, so that any that is told can be recognised; city and joined
    have values of one to four customers among usual ones.
    """
    chance = random.Random(seed)  # noqa: S311 - drawn again from its seed
    cells: dict[str, set[str]] = {}
    lines = [HEADER]
    rare = [f"Zq{chance.getrandbits(48):012x}" for _ in range(rows // 40)]
    days = [f"20{10 + n % 9:02d}-0{1 + n % 9}-{11 + n % 17}" for n in range(rows // 40)]
    for row in range(rows):
        token = [f"zq{chance.getrandbits(48):012x}" for _ in range(4)]
        tenure, bill = chance.randrange(1, 72), chance.randrange(20, 120)
        plan = chance.choice(["basic", "plus", "family"])
        odds = 0.9 - tenure / 18 + (bill - 70) / 40 + (0.8 if plan == "basic" else 0)
        cell = {
            "customer_id": f"{token[0]}",
            "full_name": f"Anna {token[1].title()}",
            "email": f"{token[2]}@mail.example",
            "phone": f"+49 {chance.randrange(10**10, 10**11)}",
            "household": f"H{chance.randrange(10**9, 10**10)}",
            "comment": f"called about {token[3]}",
            "city": rare[row % len(rare)] if row % 11 == 0 and row < 11 * len(rare) else chance.choice(CITIES),
            "plan": plan,
            "tenure": str(tenure),
            "bill": str(bill),
            "odd_amount": f"{chance.randrange(1000, 9999)}.{chance.randrange(10**6, 10**7)}",
            "joined": days[row // 7 % len(days)]
            if row % 7 == 0 and row < 14 * len(days)
            else f"20{10 + row % 12}-01-01",
            "churn": "yes" if chance.random() < 1 / (1 + 2.718281828**-odds) else "no",
        }
        for name in ("customer_id", "full_name", "email", "phone", "household", "comment", "odd_amount"):
            cells.setdefault(name, set()).add(cell[name])
        lines.append(",".join(cell.values()))
    cells["city"], cells["joined"] = set(rare), set(days)
    return Planted(lines, cells)


def forms(cell: str) -> Iterator[bytes]:
    """Yield how a cell may be written, each at least eight bytes long."""
    written = {cell, cell.lower(), cell.upper()}
    written |= {part for text in written for part in text.replace("@", " ").split() if len(part) >= SHORTEST}
    for text in written:
        raw = text.encode()
        yield from (raw, raw.hex().encode(), raw.hex().upper().encode(), text.encode("utf-16-le"))
        for shift in range(3):
            # What the bytes before and after it decide is cut off.
            coded = base64.b64encode(b"\0" * shift + raw)
            yield coded[(0, 2, 3)[shift] : len(coded) - 4]
        for method in ("md5", "sha1", "sha256"):
            found = hashlib.new(method, raw, usedforsecurity=False)
            yield from (found.digest(), found.hexdigest().encode(), base64.b64encode(found.digest())[:-2])
    if cell.replace(".", "", 1).isdigit():
        yield from (struct.pack("<d", float(cell)), struct.pack(">d", float(cell)))


class Search:
    """All forms of all cells, found in bytes by their first eight."""

    def __init__(self, cells: dict[str, set[str]]) -> None:
        """Take the cells by column."""
        self._names: dict[bytes, dict[bytes, str]] = {}
        for column, texts in cells.items():
            for form in (form for text in texts for form in forms(text) if len(form) >= SHORTEST):
                self._names.setdefault(form[:SHORTEST], {})[form] = f"{column}: {form[:60]!r}"
        self._heads = np.unique(np.frombuffer(b"".join(self._names), dtype="<u8"))

    def found(self, data: bytes) -> set[str]:
        """Return the column and form of everything that stands in `data`."""
        hits: set[str] = set()
        for shift in range(SHORTEST):
            count = (len(data) - shift) // SHORTEST
            if count < 1:
                break
            words = np.frombuffer(data, dtype="<u8", count=count, offset=shift)
            near = np.minimum(np.searchsorted(self._heads, words), len(self._heads) - 1)
            for place in np.flatnonzero(self._heads[near] == words).tolist():
                start = shift + SHORTEST * place
                known = self._names[data[start : start + SHORTEST]]
                hits |= {name for form, name in known.items() if data.startswith(form, start)}
        return hits

    def in_all(self, many: Iterable[bytes]) -> set[str]:
        """Return what stands in any of several."""
        return {name for data in many for name in self.found(data)}
