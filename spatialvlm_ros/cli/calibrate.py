"""`spatialvlm calibrate`: fit what a model's medians, errors and intervals are off by, on views with known truth."""

from __future__ import annotations

import argparse
import logging
import math
from pathlib import Path

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help='"embedded", a folder, a hub id, or "openai:URL#model"')
    parser.add_argument(
        "split",
        nargs="?",
        default="calibrate",
        help="folder of a view store or a data set, or a split of the simulation to draw views from",
    )
    parser.add_argument("--views", type=int, default=300, help="number of views")
    parser.add_argument("--out", type=Path, default=None, help="file; beside the weights or in the cache by default")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the model, as it is loaded later"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of questions")
    parser.add_argument("--width", type=int, default=640, help="width of simulated pictures")
    parser.add_argument("--pack", default="installed", help='of simulated views: "installed", "primitives" or a folder')
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Collect readings, fit, and write the file."""
    from spatialvlm_ros.cli.train import setting
    from spatialvlm_ros.errors import ConfigError
    from spatialvlm_ros.models.calibration_examples import collect_readings
    from spatialvlm_ros.models.calibration_fit import fit_calibration
    from spatialvlm_ros.models.calibration_place import calibration_path
    from spatialvlm_ros.models.calibration_views import calibration_views
    from spatialvlm_ros.models.loading import fingerprint_of, load_backend
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM
    from spatialvlm_ros.progress_bars import progress_bar

    if args.views < 1 or args.width < 64:
        raise ConfigError("views and width must be at least 1 and 64", (args.views, args.width), "Change them.")
    model = SpatialVLM(load_backend(args.model, **dict(setting(text) for text in args.set)))
    size = {"width": args.width, "height": args.width * 3 // 4}
    views = calibration_views(args.split, args.views, size, args.pack)
    total = None if Path(args.split).exists() else args.views  # a store or data set may have fewer
    bar = progress_bar(views, show=not args.no_progress, total=total, unit="view")
    calibration = fit_calibration(collect_readings(model, bar, args.seed), model.name, fingerprint_of(model.backend))
    path = calibration.save(args.out or calibration_path(args.model, model.backend))
    location = calibration.location
    _log.info(
        "%s: %d views; scale off by %+.0f%%, shared error %.0f%%, stated errors times %.2f",
        path,
        calibration.views,
        100 * math.expm1(location.range_bias),
        100 * location.shared_std,
        location.range_factor,
    )
    return 0
