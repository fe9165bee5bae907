"""Callbacks for events of QoS, wherever this ROS has them: ``rclpy.event_handler``, up to Humble ``rclpy.qos_event``.

Entities that are destroyed while an executor waits must have none: the default ones would raise in the executor. What
they would say (QoS that does not match) we find out ourselves.
"""

from __future__ import annotations

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

QUIET_SUBSCRIPTION = {"event_callbacks": SubscriptionEventCallbacks(use_default_callbacks=False)}
QUIET_PUBLISHER = {"event_callbacks": PublisherEventCallbacks(use_default_callbacks=False)}
