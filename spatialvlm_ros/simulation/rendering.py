"""Headless MuJoCo rendering with an arbitrary pinhole camera: colour, metric depth and exact geom ids.

One picture takes two passes at most: a colour pass (lights, shadows, textures, antialiased where the model asks for
it) and a segmentation pass that yields the geom id AND the depth of every pixel centre, so that depth and ids never
disagree at an edge. Import this module lazily: it needs mujoco and an OpenGL backend (``MUJOCO_GL=egl`` or ``osmesa``).
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.optional import require
from spatialvlm_ros.simulation.two_llvms import let_triton_have_its_own

Float = NDArray[np.float64]

NEAR_M = 0.02
FAR_M = 60.0

_GL_HELP = (
    "Install libegl1 libgl1-mesa-dri libegl-mesa0 and set MUJOCO_GL=egl, or libosmesa6 and MUJOCO_GL=osmesa, "
    "before mujoco is imported."
)


@dataclass(frozen=True)
class CameraPose:
    """Where a camera stands.

    Attributes:
        position: (3,) metres, world frame (z up).
        rotation: (3, 3) world_from_optical; its columns are the optical x (right), y (down) and z (forward) axes.
    """

    position: Float
    rotation: Float

    @staticmethod
    def look_at(position: Float, target: Float, roll: float = 0.0, up: Float | None = None) -> CameraPose:
        """A pose at ``position`` (3,) looking at ``target`` (3,), turned by ``roll`` radians about its axis.

        Looking straight along ``up`` (default world z) the picture's upper edge points along world y.
        """
        position = np.asarray(position, dtype=np.float64)
        forward = np.asarray(target, dtype=np.float64) - position
        distance = float(np.linalg.norm(forward))
        if distance < 1e-9:
            raise SimulationError("a camera cannot look at its own position", position, "Move the target away.")
        forward = forward / distance
        vertical = np.array([0.0, 0.0, 1.0]) if up is None else np.asarray(up, dtype=np.float64)
        right = np.cross(forward, vertical)
        if np.linalg.norm(right) < 1e-6:
            right = np.cross(forward, np.array([0.0, 1.0, 0.0]))
        right = right / np.linalg.norm(right)
        down = np.cross(forward, right)
        cosine, sine = np.cos(roll), np.sin(roll)
        return CameraPose(
            position, np.stack([cosine * right + sine * down, cosine * down - sine * right, forward], axis=1)
        )

    def to_optical(self, points: Float) -> Float:
        """(N, 3) world points in the optical frame, metres."""
        return (np.asarray(points, dtype=np.float64) - self.position) @ self.rotation

    def up(self) -> Float:
        """(3,) the world's up direction in the optical frame."""
        return self.rotation[2].copy()


@dataclass(frozen=True)
class Rendered:
    """One rendered picture; a channel that was not asked for is None.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32 metres along the optical axis, NaN where nothing was hit.
        geom_ids: (H, W) int32 MuJoCo geom ids, -1 where nothing was hit.
    """

    rgb: NDArray[np.uint8] | None
    depth: NDArray[np.float32] | None
    geom_ids: NDArray[np.int32] | None


def require_mujoco() -> Any:
    """The mujoco module, or `MissingDependencyError`; chooses EGL where the user chose nothing and has no display."""
    if "MUJOCO_GL" not in os.environ and not os.environ.get("DISPLAY"):
        os.environ["MUJOCO_GL"] = "egl"
    let_triton_have_its_own()
    return require("mujoco", "sim")


class Renderer:
    """Draws one compiled model.

    Moving bodies, lights, cameras, colours and geom groups between calls is free; another model needs another
    renderer (meshes and textures are uploaded once). A renderer belongs to the thread and process that made it. Use it
    as a context manager or call `close`.

    Args:
        model: compiled ``mujoco.MjModel``; its ``vis.quality`` decides shadow resolution and antialiasing.
        max_width, max_height: largest picture in pixels.
        max_geoms: largest number of drawn geoms.
    """

    def __init__(self, model: Any, max_width: int = 640, max_height: int = 480, max_geoms: int = 2000) -> None:
        self._mj = require_mujoco()
        self._model = model
        self._context: Any = None
        model.vis.global_.offwidth, model.vis.global_.offheight = max_width, max_height
        self._gl = _shared_gl_context()
        self._gl.make_current()
        self._context = self._mj.MjrContext(model, self._mj.mjtFontScale.mjFONTSCALE_50.value)
        self._mj.mjr_setBuffer(self._mj.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._context.readDepthMap = self._mj.mjtDepthMap.mjDEPTH_ZEROFAR
        self._size = (max_width, max_height)
        self._scene = self._mj.MjvScene(model, maxgeom=max_geoms)
        self._option = self._mj.MjvOption()
        self._free_camera = self._mj.MjvCamera()
        self._id_pixels = np.empty(max_width * max_height * 3, np.uint8)
        self._depth_pixels = np.empty(max_width * max_height, np.float32)

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the graphics memory; further calls raise `SimulationError`."""
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._context = None

    def render(
        self,
        data: Any,
        pose: CameraPose,
        camera: Camera,
        *,
        rgb: bool = True,
        truth: bool = True,
        shadows: bool = True,
        groups: tuple[int, ...] = (0, 1, 2),
    ) -> Rendered:
        """Draws ``data`` (whose kinematics are up to date: ``mj_forward`` or ``mj_kinematics`` + ``mj_camlight``).

        Args:
            data: ``mujoco.MjData`` of the renderer's model.
            pose: where the camera stands in the world.
            camera: pinhole model; any focal lengths and principal point, no distortion.
            rgb: draw the colour picture.
            truth: draw depth and geom ids.
            shadows: draw shadows in the colour picture.
            groups: geom groups to draw.

        Raises:
            SimulationError: the picture is larger than the renderer's buffer, the camera has distortion, or the
                renderer was closed.
        """
        self._prepare(data, camera, groups)
        self._aim(pose, camera)
        colour = self._colour_pass(camera, shadows) if rgb else None
        depth, ids = self._truth_pass(camera) if truth else (None, None)
        return Rendered(colour, depth, ids)

    def silhouette_areas(
        self, data: Any, pose: CameraPose, tiles: list[tuple[NDArray[np.intp], Camera]]
    ) -> NDArray[np.int64]:
        """How many pixels each group of geoms covers when nothing stands before it.

        Args:
            data: ``mujoco.MjData``.
            pose: where the camera stands.
            tiles: per silhouette, the geom ids that make it, and a camera (small pictures are quick: a crop around
                the silhouette at another resolution).

        Returns:
            (len(tiles),) number of covered pixels in each tile.
        """
        hidden, shown = 5, 4
        areas = np.zeros(len(tiles), np.int64)
        groups = self._model.geom_group.copy()
        try:
            self._model.geom_group[:] = hidden
            for k, (geoms, camera) in enumerate(tiles):
                self._model.geom_group[geoms] = shown
                self._prepare(data, camera, (shown,))
                self._aim(pose, camera)
                areas[k] = np.count_nonzero(self._segmentation_pixels(camera, depth=None).any(axis=-1))
                self._model.geom_group[geoms] = hidden
        finally:
            self._model.geom_group[:] = groups
        return areas

    def _prepare(self, data: Any, camera: Camera, groups: tuple[int, ...]) -> None:
        if self._context is None:
            raise SimulationError("this renderer is closed", remedy="Make a new one.")
        if camera.distortion_model != "none":
            raise SimulationError(
                "only undistorted cameras can be rendered", camera.distortion_model, "Distort the picture afterwards."
            )
        if camera.width > self._size[0] or camera.height > self._size[1]:
            raise SimulationError(
                "the picture is larger than the renderer's buffer",
                (camera.width, camera.height),
                f"Make the renderer with max_width, max_height above {self._size}.",
            )
        self._gl.make_current()
        # Which buffer is drawn into belongs to the thread: another renderer may have had it.
        self._mj.mjr_setBuffer(self._mj.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._option.geomgroup[:] = 0
        self._option.geomgroup[list(groups)] = 1
        self._mj.mjv_updateScene(
            self._model, data, self._option, None, self._free_camera, self._mj.mjtCatBit.mjCAT_ALL.value, self._scene
        )

    def _aim(self, pose: CameraPose, camera: Camera) -> None:
        # Pixel centres are integers (OpenCV, ROS), so the picture's edges are at -0.5 and size - 0.5.
        left, right = -(camera.cx + 0.5) / camera.fx, (camera.width - 0.5 - camera.cx) / camera.fx
        top, bottom = (camera.cy + 0.5) / camera.fy, -(camera.height - 0.5 - camera.cy) / camera.fy
        for eye in self._scene.camera:  # both eyes: MuJoCo draws from their mean
            eye.pos, eye.forward, eye.up = pose.position, pose.rotation[:, 2], -pose.rotation[:, 1]
            eye.frustum_near, eye.frustum_far = NEAR_M, FAR_M
            eye.frustum_center = NEAR_M * (left + right) / 2
            eye.frustum_width = NEAR_M * (right - left) / 2  # MuJoCo means the half width
            eye.frustum_top, eye.frustum_bottom = NEAR_M * top, NEAR_M * bottom

    def _colour_pass(self, camera: Camera, shadows: bool) -> NDArray[np.uint8]:
        flags = self._mj.mjtRndFlag
        self._set_flags({flags.mjRND_SHADOW: shadows, flags.mjRND_SEGMENT: 0, flags.mjRND_IDCOLOR: 0})
        rect = self._mj.MjrRect(0, 0, camera.width, camera.height)
        self._mj.mjr_render(rect, self._scene, self._context)
        pixels = np.empty((camera.height, camera.width, 3), np.uint8)
        self._mj.mjr_readPixels(pixels, None, rect, self._context)
        return np.ascontiguousarray(pixels[::-1])  # OpenGL counts rows from the bottom

    def _truth_pass(self, camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        shape = (camera.height, camera.width)
        inverse = self._depth_pixels[: shape[0] * shape[1]].reshape(shape)
        colours = self._segmentation_pixels(camera, inverse)
        geoms = self._scene.geoms[: self._scene.ngeom]
        lookup = np.full(self._scene.ngeom + 1, -1, np.int32)  # 0 is background
        for geom in geoms:
            if geom.segid >= 0 and geom.objtype == self._mj.mjtObj.mjOBJ_GEOM:
                lookup[geom.segid + 1] = geom.objid
        index = colours[..., 0].astype(np.int32)
        index += colours[..., 1].astype(np.int32) << 8
        ids = lookup[index[::-1]]
        # The depth buffer is reversed (1 near, 0 far), which keeps float precision at a distance.
        depth = (NEAR_M * FAR_M) / (NEAR_M + inverse[::-1].astype(np.float64) * (FAR_M - NEAR_M))
        depth[ids < 0] = np.nan
        return depth.astype(np.float32), ids

    def _segmentation_pixels(self, camera: Camera, depth: NDArray[np.float32] | None) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, bottom row first: segment number + 1 in base 256; ``depth`` is filled where given."""
        flags = self._mj.mjtRndFlag
        self._set_flags({flags.mjRND_SHADOW: 0, flags.mjRND_SEGMENT: 1, flags.mjRND_IDCOLOR: 1})
        rect = self._mj.MjrRect(0, 0, camera.width, camera.height)
        self._mj.mjr_render(rect, self._scene, self._context)
        pixels = self._id_pixels[: camera.width * camera.height * 3].reshape(camera.height, camera.width, 3)
        self._mj.mjr_readPixels(pixels, depth, rect, self._context)
        return pixels

    def _set_flags(self, values: dict[Any, int | bool]) -> None:
        flags = self._mj.mjtRndFlag
        common = {flags.mjRND_SKYBOX: 1, flags.mjRND_REFLECTION: 0, flags.mjRND_FOG: 0, flags.mjRND_HAZE: 0}
        for flag, value in {**common, **values}.items():
            self._scene.flags[flag] = int(value)


def _new_gl_context() -> Any:
    backend = os.environ.get("MUJOCO_GL", "").lower()
    if backend == "osmesa":
        from mujoco.osmesa import GLContext
    elif backend == "egl" or not os.environ.get("DISPLAY"):
        # Taken by name: mujoco chooses its backend when it is first imported, which may have been before us.
        from mujoco.egl import GLContext
    else:
        from mujoco.gl_context import GLContext
    return GLContext(64, 64)


_gl_context: tuple[int, Any] | None = None


def _shared_gl_context() -> Any:
    """One OpenGL context per process: every renderer draws into its own framebuffer inside it."""
    global _gl_context
    if _gl_context is None or _gl_context[0] != os.getpid():
        try:
            context = _new_gl_context()
            context.make_current()
        except Exception as error:  # every backend raises its own kinds
            raise SimulationError("no headless OpenGL context can be made", str(error), _GL_HELP) from error
        _gl_context = (os.getpid(), context)
        atexit.register(_free_gl_context)
    return _gl_context[1]


def _free_gl_context() -> None:
    # Before the interpreter shuts down: the backends cannot free themselves once their modules are gone.
    global _gl_context
    if _gl_context is not None and _gl_context[0] == os.getpid():
        _gl_context[1].free()
    _gl_context = None
