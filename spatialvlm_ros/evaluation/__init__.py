"""The judge: a frozen bench, exact rules, metrics with intervals, controls beside every result."""
