"""`make bench`: print what the product costs, write it to build/bench.json, fail if a goal is missed."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

import baseline_files
import measures
from servers import ROOT, lab

REPORT = ROOT / "build/bench.json"
BUSY = 1.0


def main() -> int:
    """Run every measure; return 1 if a figure is not as good as it should be."""
    lab("build")
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"load {load:.1f}: somebody else is at work here, which distorts every figure", file=sys.stderr)
    figures = [measures.inventory_of_many(), *measures.all_figures(baseline_files.load("dc1-prod"))]
    REPORT.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    for figure in figures:
        verdict = "reached" if figure.reached else "MISSED"
        print(f"{figure.name}: {figure.value:.2f} ({figure.unit}; goal at most {figure.goal}: {verdict})")
        print(f"    {figure.how}")
    return 0 if all(figure.reached for figure in figures) else 1


sys.exit(main())
