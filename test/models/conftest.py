"""Makes the oracle and the ray-cast scenes importable from the tests beside it."""

import sys
from pathlib import Path

for folder in (Path(__file__).parent, Path(__file__).parent.parent / "scenes"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
