"""The lifecycle node: camera topics in, distances, objects and answers out.

configure   reads the parameters, makes publishers and servers, begins to load the weights; returns at once
activate    subscribes; fails with the reason while the weights are not there
deactivate  ends the subscriptions; servers answer `not_configured`. What was asked for holds when it is activated again
cleanup     forgets everything; servers stay, and answer `not_configured`
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.ros.actions import CameraActions
from spatialvlm_ros.ros.autostart import Autostart, Step
from spatialvlm_ros.ros.camera_inputs import CameraInputs, picture_topics, steady_timer
from spatialvlm_ros.ros.camera_unit import CameraUnit
from spatialvlm_ros.ros.clock_jumps import on_jump_back
from spatialvlm_ros.ros.declaring import declare, given, read, require_values
from spatialvlm_ros.ros.diagnostics import Before, InputState, Level, Status, camera_status, model_status
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.outputs import CameraOutputs
from spatialvlm_ros.ros.parameters import PARAMETERS, Settings
from spatialvlm_ros.ros.rotations import require_quaternions
from spatialvlm_ros.ros.services import CameraServices, Turnstile
from spatialvlm_ros.ros.shared_models import SHARED_MODELS, ModelSpec
from spatialvlm_ros.ros.standing import Standing
from spatialvlm_ros.ros.tf_link import TfLink
from spatialvlm_ros.ros.topics import INTERFACES
from spatialvlm_ros.ros.transform_store import TransformStore
from spatialvlm_ros.ros.transitions import reported
from spatialvlm_ros.ros.worker import ModelState, ModelWorker

NODE_NAME = "spatialvlm"
_AUTOSTART_EVERY_S = 0.1
_DIAGNOSTICS_EVERY_S = 1.0


@dataclass
class _Camera:
    """Everything of one camera; ``unit`` and ``inputs`` while the node is active, ``asked`` once it was.

    Attributes:
        asked: what was asked of every picture when the node was deactivated, and the parameters then.
        said: why nothing comes of a topic, as the log says it already.
    """

    outputs: CameraOutputs
    unit: CameraUnit | None = None
    inputs: CameraInputs | None = None
    reported: Before = Before({})
    asked: tuple[Settings, Standing] | None = None
    said: set[str] = field(default_factory=set)


class SpatialVLMNode(LifecycleNode):
    """See the module.

    Args:
        name: of the node.
        options: of `rclpy.lifecycle.LifecycleNode`.

    Raises:
        MissingDependencyError: the interfaces of this package were not built, or what makes quaternions is missing.
    """

    def __init__(self, name: str = NODE_NAME, **options: Any) -> None:
        interfaces()  # says how to build them, before anything else fails without them
        require_quaternions()
        super().__init__(name, **options)
        declare(self)
        self._settings: Settings | None = None
        self._worker: ModelWorker | None = None
        self._spec: ModelSpec | None = None
        self._cameras: dict[str, _Camera] = {}
        # These live as long as the node: who waits for an answer of one that is destroyed would never get it.
        self._camera_services: dict[str, CameraServices] = {}
        self._camera_actions: dict[str, CameraActions] = {}
        self._transforms = TransformStore()
        self._tf: TfLink | None = None
        self._waiting = ReentrantCallbackGroup()
        self._housekeeping = MutuallyExclusiveCallbackGroup()
        self._frames = MutuallyExclusiveCallbackGroup()
        self._turnstile = Turnstile()
        self._failed = ""  # why the last transition went wrong
        self._failed_load = ""  # why the weights were not there the last time
        self.add_on_set_parameters_callback(self._on_parameters)
        self._diagnostics = self.create_publisher(DiagnosticArray, INTERFACES["/diagnostics"].topic(), 10)
        self._jumps = on_jump_back(self, self._time_jumped)
        self._timers_kept = [
            steady_timer(self, _DIAGNOSTICS_EVERY_S, self._report, self._housekeeping),
        ]
        if self.get_parameter("autostart").value:
            self._autostart = Autostart(float(self.get_parameter("wait_for_model_s").value))
            self._timers_kept.append(
                steady_timer(self, _AUTOSTART_EVERY_S, self._start_by_itself, MutuallyExclusiveCallbackGroup())
            )

    # ---- transitions ----

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Parameters, publishers, servers; the weights are loaded behind this."""
        try:
            self._settings = read(self)
            Standing.of(self._settings)  # what is wrong in it is said now, not when pictures come
            self._spec = ModelSpec.of(self._settings)
            self._worker = SHARED_MODELS.acquire(self._spec)
            self._tf = TfLink(self, self._transforms, self._frames)
            for camera in self._settings.cameras or ("",):
                self._cameras[camera] = self._made(camera, self._settings)
        except SpatialVLMError as error:
            self.fail(f"cannot configure: {error}")
            self._forget()
            return TransitionCallbackReturn.FAILURE
        self._failed = ""
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribes, if the weights are there."""
        assert self._worker is not None and self._settings is not None
        if self._worker.state is not ModelState.READY:
            why = self._worker.fault or f"the model is {self._worker.state}"
            self.get_logger().warning(f"cannot activate yet: {why}")
            return TransitionCallbackReturn.FAILURE
        try:
            for name, camera in self._cameras.items():
                self._open(name, camera, self._settings, self._worker)
        except SpatialVLMError as error:
            self.fail(f"cannot activate: {error}")
            self._close_units()
            return TransitionCallbackReturn.FAILURE
        self._failed = self._failed_load = ""
        return super().on_activate(state)

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends the subscriptions."""
        self._close_units()
        return super().on_deactivate(state)

    @reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forgets everything."""
        self._forget()
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From any state, for ever."""
        self._stop_actions()
        self._forget()
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """A transition raised: back to unconfigured."""
        self._forget()
        return TransitionCallbackReturn.SUCCESS

    def stop_work(self) -> ModelWorker | None:
        """Before the executor ends: no more pictures and recordings, and whoever waits for the model is refused.

        Returns:
            The worker, whose thread may still be in the middle of a pass.
        """
        worker, self._worker = self._worker, None
        self._stop_actions()
        for camera in self._cameras.values():
            if camera.unit is not None:
                camera.unit.close()
        if worker is not None and self._spec is not None:
            SHARED_MODELS.release(self._spec, worker, tidy=False)
        return worker

    def fail(self, why: str, more: str = "") -> None:
        """A transition went wrong: for diagnostics, and with ``more`` for the log."""
        self._failed = why
        self.get_logger().error(f"{why}\n{more}".rstrip())

    # ---- parts of transitions ----

    def _made(self, name: str, settings: Settings) -> _Camera:
        assert self._tf is not None
        if name not in self._camera_services:
            unit = partial(self._unit_of, name)
            self._camera_services[name] = CameraServices(
                self, name, unit, self._deadline_s, self._turnstile, self._waiting
            )
            self._camera_actions[name] = CameraActions(self, name, unit, self._turnstile, self._waiting)
        return _Camera(CameraOutputs(self, name, settings, self._tf.broadcast, self._frames))

    def _open(self, name: str, camera: _Camera, settings: Settings, worker: ModelWorker) -> None:
        before, standing = camera.asked or (settings, None)
        camera.unit = unit = CameraUnit(
            name,
            before,
            worker,
            self._transforms,
            lambda: int(self.get_clock().now().nanoseconds),
            camera.outputs.publish,
            camera.outputs.wants_objects,
            *picture_topics(self, settings, name),
        )
        if standing is not None:
            unit.standing = standing
            unit.apply(settings)  # parameters may have changed meanwhile
        camera.reported, camera.said = Before({}), set()
        take_imu = unit.builder.imu.take
        camera.inputs = CameraInputs(self, settings, name, unit.offer, take_imu, unit.reset, self._frames)

    def _stop_actions(self) -> None:
        for actions in self._camera_actions.values():
            actions.stop()

    def _close_units(self) -> None:
        for camera in self._cameras.values():
            if camera.inputs is not None:
                camera.inputs.close()
            if camera.unit is not None:
                camera.unit.close()
                camera.asked = camera.unit.settings, camera.unit.standing
            camera.inputs = camera.unit = None

    def _forget(self) -> None:
        self._close_units()
        for camera in self._cameras.values():
            camera.outputs.close()
        self._cameras.clear()
        if self._tf is not None:
            self._tf.close()
            self._tf = None
        if self._worker is not None and self._spec is not None:
            if self._worker.state is ModelState.FAILED:
                self._failed_load = self._worker.fault  # the worker goes; diagnostics still have to say why
            SHARED_MODELS.release(self._spec, self._worker)
        self._worker = self._spec = self._settings = None

    # ---- callbacks ----

    def _unit_of(self, name: str) -> CameraUnit | None:
        camera = self._cameras.get(name)
        return None if camera is None else camera.unit

    def _deadline_s(self) -> float:
        settings = self._settings
        return settings.deadline_s if settings is not None else PARAMETERS["deadline_s"].default

    def _time_jumped(self) -> None:
        """Simulated time was reset, or a recording plays again."""
        self._transforms.clear()
        for camera in self._cameras.values():
            if camera.unit is not None:
                camera.unit.reset()
            if camera.inputs is not None:
                camera.inputs.clear()

    def _on_parameters(self, parameters: list[Any]) -> SetParametersResult:
        ours = [p for p in parameters if p.name in PARAMETERS]
        changes = {p.name: given(p.value) for p in ours}
        try:
            require_values(ours)
            if self._settings is None:
                for name, value in changes.items():
                    PARAMETERS[name].validated(value)
            elif changes:
                self._apply(self._settings.with_live(changes))
        except SpatialVLMError as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # noqa: BLE001  else who sets it never hears of it
            return SetParametersResult(successful=False, reason=f"{type(error).__name__}: {error}")
        return SetParametersResult(successful=True)

    def _apply(self, settings: Settings) -> None:
        Standing.of(settings)  # all or nothing
        for camera in self._cameras.values():
            if camera.unit is not None:
                camera.unit.standing_under(settings)
        self._settings = settings
        for camera in self._cameras.values():
            camera.outputs.settings = settings
            if camera.unit is not None:
                camera.unit.apply(settings)

    def _start_by_itself(self) -> None:
        state = str(self._state_machine.current_state[1])
        model = None if self._worker is None else self._worker.state
        step = self._autostart.next(state, model, time.monotonic())
        if step is Step.CONFIGURE:
            if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                self._autostart.configured()
        elif step is Step.ACTIVATE:
            if self.trigger_activate() == TransitionCallbackReturn.SUCCESS:
                self.get_logger().info(f"active with the model {self.get_parameter('model').value!r}")
        elif step is Step.CLEAN_UP:
            assert self._worker is not None
            self.get_logger().error(f"the model cannot be loaded: {self._worker.fault}; trying again")
            self.trigger_cleanup()
        elif step is Step.WARN:
            self.get_logger().warning("the weights are still being loaded")

    # ---- diagnostics ----

    def _report(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [_status_message(s) for s in self._statuses()]
        self._diagnostics.publish(message)

    def _statuses(self) -> list[Status]:
        """A transition may run in another thread meanwhile: each thing is looked at once."""
        me, worker, settings = self.get_fully_qualified_name().lstrip("/"), self._worker, self._settings
        if worker is None or settings is None:
            return [_unconfigured_status(me, self._failed or self._failed_load)]
        model = model_status(me, worker.state, worker.fault, settings.model)
        before = {"failed before": self._failed_load} if self._failed_load else {}
        found = [replace(model, values={**model.values, **before})]
        for name, camera in list(self._cameras.items()):
            label, unit, inputs = f"{me}: camera {name}".rstrip(), camera.unit, camera.inputs
            if unit is None or inputs is None:
                level = Level.ERROR if self._failed else Level.STALE
                found.append(Status(label, level, self._failed or "not active", {}))
            else:
                silences = inputs.silences(settings.quiet_after_s)
                self._say_silences(camera, silences)
                found.append(_camera_status(label, camera, unit, inputs, settings.quiet_after_s, silences))
        return found

    def _say_silences(self, camera: _Camera, silences: Mapping[str, str]) -> None:
        """Each once, in the log, where who starts a node looks first. Only depth is a thing that nobody need have."""
        for slot, why in silences.items():
            if why in camera.said:
                continue
            camera.said.add(why)
            if slot == "depth":
                self.get_logger().info(f"no depth: {why}; answers go without it")
            else:
                self.get_logger().warning(f"no {'pictures' if slot == 'image' else slot}: {why}")


def _unconfigured_status(node: str, fault: str) -> Status:
    level = Level.ERROR if fault else Level.STALE
    return Status(f"{node}: model", level, fault or "not configured", {"state": "not configured"})


def _camera_status(
    label: str,
    camera: _Camera,
    unit: CameraUnit,
    inputs: CameraInputs,
    quiet_after_s: float,
    silences: Mapping[str, str],
) -> Status:
    state = InputState(
        inputs.seconds_without_image(),
        inputs.unheard(),
        inputs.reliabilities(),
        unit.replaced(),
        inputs.counts(),
        silences,
    )
    summary = unit.statistics.summary(time.monotonic())
    status = camera_status(label, summary, state, quiet_after_s, camera.reported)
    camera.reported = Before.of(summary, state)
    return status


def _status_message(status: Status) -> Any:
    values = [KeyValue(key=key, value=value) for key, value in status.values.items()]
    return DiagnosticStatus(
        level=bytes([status.level]), name=status.name, message=status.message, hardware_id="", values=values
    )
