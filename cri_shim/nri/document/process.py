"""Adjustments of the process of a container: environment, arguments, rlimits, scheduling."""

from typing import Any

from cri_shim.nri.document.facts import Facts
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec import resources

_MOST_TEXT = 128 * 1024  # bytes of one argument or variable: the kernel's MAX_ARG_STRLEN
_RLIMITS = frozenset(
    f"RLIMIT_{name}"
    for name in (
        *("AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE"),
        *("NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"),
    )
)
_IO_PRIORITIES = range(8)
_NICE = range(-20, 20)


def adjusted(
    process: dict[str, Any], adjust: pb.ContainerAdjustment, facts: Facts
) -> dict[str, Any]:
    """Return the process with the adjustments. ToolFailed names a plugin and what is refused."""
    process = {**process, "env": _env(process.get("env") or [], adjust, facts)}
    if adjust.args:
        for argument in adjust.args:
            _check_text(argument, "Args", None, facts)
        process["args"] = list(adjust.args)
    if adjust.rlimits:
        process["rlimits"] = _rlimits(process.get("rlimits") or [], adjust, facts)
    linux = adjust.linux
    if linux.HasField("oom_score_adj"):
        score = linux.oom_score_adj.value
        if not -1000 <= score <= 1000:
            raise facts.refused("OomScoreAdj", None, f"{score} is not from -1000 to 1000")
        process["oomScoreAdj"] = resources.oom_score_adj(score, facts.host)
    if linux.HasField("io_priority"):
        _set(process, "ioPriority", _io_priority(linux.io_priority, facts))
    if linux.HasField("scheduler"):
        _set(process, "scheduler", _scheduler(linux.scheduler, facts))
    return process


def _set(part: dict[str, Any], name: str, value: Any) -> None:
    """Set a value; None removes it."""
    part.pop(name, None)
    if value is not None:
        part[name] = value


def _env(before: list[str], adjust: pb.ContainerAdjustment, facts: Facts) -> list[str]:
    values = dict(entry.partition("=")[::2] for entry in before)
    for variable in adjust.env:
        name = variable.key.removeprefix("-")
        if not name or "=" in name:
            raise facts.refused("Env", name, "it is not the name of a variable")
        _check_text(name, "Env", name, facts)
        _check_text(variable.value, "Env", name, facts)
        if variable.key.startswith("-"):
            values.pop(name, None)
        else:
            values[name] = variable.value
    return [f"{name}={value}" for name, value in values.items()]


def _check_text(text: str, field: str, key: str | None, facts: Facts) -> None:
    if "\0" in text:
        raise facts.refused(field, key, "it has a NUL character")
    if len(text.encode()) >= _MOST_TEXT:
        raise facts.refused(field, key, f"it is longer than {_MOST_TEXT} bytes")


def _rlimits(
    before: list[dict[str, Any]], adjust: pb.ContainerAdjustment, facts: Facts
) -> list[dict[str, Any]]:
    found = {limit["type"]: limit for limit in before}
    for limit in adjust.rlimits:
        if limit.type not in _RLIMITS:
            raise facts.refused("Rlimits", limit.type, "there is no such limit")
        if limit.soft > limit.hard:
            problem = f"the soft limit {limit.soft} is above the hard one {limit.hard}"
            raise facts.refused("Rlimits", limit.type, problem)
        found[limit.type] = {"type": limit.type, "soft": limit.soft, "hard": limit.hard}
    return list(found.values())


def _io_priority(wanted: pb.LinuxIOPriority, facts: Facts) -> dict[str, Any] | None:
    name = pb.IOPrioClass.DESCRIPTOR.values_by_number.get(getattr(wanted, "class"))
    if name is None or wanted.priority not in _IO_PRIORITIES:
        raise facts.refused("IoPriority", None, "its class or its priority, 0 to 7, is unknown")
    if name.number == pb.IOPRIO_CLASS_NONE:
        return None
    return {"class": name.name, "priority": wanted.priority}


def _scheduler(wanted: pb.LinuxScheduler, facts: Facts) -> dict[str, Any] | None:
    policy = pb.LinuxSchedulerPolicy.DESCRIPTOR.values_by_number.get(wanted.policy)
    flags = [pb.LinuxSchedulerFlag.DESCRIPTOR.values_by_number.get(f) for f in wanted.flags]
    if policy is None or None in flags:
        raise facts.refused("LinuxSched", None, "its policy or a flag is unknown")
    if policy.number == pb.SCHED_NONE:
        return None
    if wanted.nice not in _NICE:
        raise facts.refused("LinuxSched", None, f"nice {wanted.nice} is not from -20 to 19")
    values = {
        "policy": policy.name,
        "nice": wanted.nice,
        "priority": wanted.priority,
        "flags": [flag.name for flag in flags if flag is not None],
        "runtime": wanted.runtime,
        "deadline": wanted.deadline,
        "period": wanted.period,
    }
    return {name: value for name, value in values.items() if value}
