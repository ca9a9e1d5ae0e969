"""Watch rewards while they train a policy: canaries, collapse, drift; alarms with a reason code and an action."""

from judge.monitor.alarms import Alarm, AlarmCode
from judge.monitor.canaries import Canaries, CanaryProbe, CanaryResult, Mixed
from judge.monitor.metrics import MonitorCollector, metrics_text
from judge.monitor.monitor import Monitor
from judge.monitor.report import Report
from judge.monitor.watch import Estimate

__all__ = [
    "Alarm",
    "AlarmCode",
    "Canaries",
    "CanaryProbe",
    "CanaryResult",
    "Estimate",
    "Mixed",
    "Monitor",
    "MonitorCollector",
    "Report",
    "metrics_text",
]
