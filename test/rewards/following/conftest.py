"""Makes the ray-cast scenes and the oracle importable from the tests beside it."""

import sys
from pathlib import Path

_TESTS = Path(__file__).parents[2]
for folder in (Path(__file__).parent, _TESTS / "scenes", _TESTS / "models"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
