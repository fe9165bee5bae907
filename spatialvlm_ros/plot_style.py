"""One look for all plots of the package: colours and matplotlib settings."""

from __future__ import annotations

from typing import Any

EXTRA = "report"
INK, SOFT, LINE, ACCENT, SECOND, BAD, NONE = "#1c2330", "#667085", "#e3e6ec", "#2f5bd0", "#e08a2c", "#c8453b", "#c4cad6"
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "spatialvlm",  # the same plot gives the same file
    "font.family": "sans-serif",
    "font.sans-serif": ["Inter", "Segoe UI", "Liberation Sans", "Arial", "DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": NONE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
