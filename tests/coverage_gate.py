"""The coverage that the project promises: domain, engine and reporting whole, everything else above nine tenths."""

import json
import sys
from collections import defaultdict
from pathlib import Path

WHOLE = ("domain", "engine", "reporting")
REST = 90.0


def shares(report: Path) -> dict[str, float]:
    """Return the covered lines and branches in percent, by package, from coverage's JSON report."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for path, file in json.loads(report.read_text())["files"].items():
        parts = Path(path).parts
        inside = parts[parts.index("churnflow") + 1 :]
        summary = file["summary"]
        package = inside[0] if len(inside) > 1 else "top"
        counts[package][0] += summary["covered_lines"] + summary["covered_branches"]
        counts[package][1] += summary["num_statements"] + summary["num_branches"]
    return {package: 100 * covered / total for package, (covered, total) in counts.items() if total}


def main() -> int:
    """Print each package's share and return 1 if one is below what is promised, or if nothing was measured."""
    report = Path(sys.argv[1])
    found = shares(report) if report.exists() else {}
    if missing := [package for package in WHOLE if package not in found]:
        sys.stdout.write(f"{report}: nothing measured for {', '.join(missing)}\n")
        return 1
    low = 0
    for package, share in sorted(found.items()):
        wanted = 100.0 if package in WHOLE else REST
        mark = "ok" if share >= wanted else "BELOW"
        low += share < wanted
        sys.stdout.write(f"{package:12} {share:6.2f}%  (at least {wanted:g}%)  {mark}\n")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
