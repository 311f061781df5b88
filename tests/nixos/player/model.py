"""The normal form of a play, as harness/src/scenario/model.rs has it: plain JSON, every default filled in."""

from typing import Dict, List, Literal, NotRequired, Optional, Set, Tuple, TypedDict, Union

Json = Union[None, bool, int, float, str, List["Json"], Dict[str, "Json"]]
Table = Dict[str, Json]

CONTROLLER = "controller"
AS_CONFIGURED = "as-configured"

GenerationOf = TypedDict("GenerationOf", {"machine": str, "generation": str})
HostMachine = TypedDict(
    "HostMachine",
    {"host": str, "generations": List[str], "in-store": List[GenerationOf]},
)
Host = TypedDict("Host", {"host": HostMachine})
Machine = Union[Host, Literal["helper"]]

Http = TypedDict("Http", {"url": str, "status": int, "text": Optional[str]})
Journal = TypedDict("Journal", {"text": str, "unit": Optional[str]})


class Sight(TypedDict, total=False):
    """Exactly one of these."""

    port: int
    file: str
    http: Http
    process: str
    unit: str
    journal: Journal
    running: str
    profile: str


# Keys that are no Python names.
SightMore = TypedDict("SightMore", {"no-file": str, "boot-default": str}, total=False)


class AnySight(Sight, SightMore, total=False):
    pass


class Seen(TypedDict):
    on: str
    sight: AnySight


class Point(TypedDict, total=False):
    """Exactly one of these."""

    seen: Seen
    output: str
    after: float


class Units(TypedDict):
    restarted: List[str]
    reloaded: List[str]
    started: List[str]
    stopped: List[str]
    untouched: List[str]


class Codes(TypedDict):
    codes: List[int]


Exit = Union[Codes, Literal["failure", "any"]]
Expect = TypedDict(
    "Expect",
    {
        "exit": Exit,
        "output": List[str],
        "output-lacks": List[str],
        "stdout": Optional[str],
        "json": Table,
        "units": Dict[str, Units],
    },
)


class User(TypedDict):
    machine: str
    user: str


class ByUser(TypedDict):
    user: User


RunBy = Union[ByUser, Literal["controller"]]


class During(TypedDict):
    when: Point
    before: Optional[Point]
    then: List["Step"]


class Run(TypedDict):
    command: str
    by: RunBy
    expect: Expect
    during: Optional[During]


Fact = Dict[str, Union[str, bool, List[str]]]
Shaped = TypedDict(
    "Shaped",
    {"delay-ms": int, "loss": float, "bytes-per-second": Optional[int]},
)


class IsShaped(TypedDict):
    shaped: Shaped


class Network(TypedDict):
    on: str
    condition: Union[IsShaped, Literal["cut", "restored", "unplugged"]]


class Disk(TypedDict):
    on: str
    at: str
    condition: Literal["full", "freed", "read-only", "writable"]


class Clock(TypedDict):
    on: str
    seconds: int


class Kill(TypedDict):
    on: str
    pattern: str
    signal: str


Verb = TypedDict(
    "Verb",
    {
        "run": NotRequired[Run],
        "wait": NotRequired[Point],
        "state": NotRequired[Dict[str, List[Fact]]],
        "reboot": NotRequired[str],
        "power-cut": NotRequired[str],
        "power-on": NotRequired[str],
        "freeze": NotRequired[str],
        "thaw": NotRequired[str],
        "network": NotRequired[Network],
        "disk": NotRequired[Disk],
        "clock": NotRequired[Clock],
        "kill": NotRequired[Kill],
    },
)


class Step(TypedDict):
    name: str
    within: int
    fails: Optional[str]
    verb: Verb


Control = TypedDict(
    "Control",
    {
        "number": int,
        "title": str,
        "leave-out": List[str],
        "swap": Dict[str, str],
        "fails-at": str,
    },
)


class Play(TypedDict):
    name: str
    scenario: str
    cell: Optional[str]
    control: Optional[Control]
    title: str
    proves: str
    machines: Dict[str, Machine]
    steps: List[Step]


def fates(units: Units) -> List[Tuple[str, str]]:
    """Each unit that is spoken of, and what is to become of it."""
    return [
        (unit, fate)
        for fate, names in (
            ("restarted", units["restarted"]),
            ("reloaded", units["reloaded"]),
            ("started", units["started"]),
            ("stopped", units["stopped"]),
            ("untouched", units["untouched"]),
        )
        for unit in names
    ]


def moved(steps: List[Step], machine: str) -> Set[str]:
    """The units of a machine that are said to be started, stopped or the like: there are such, if not always."""
    found: Set[str] = set()
    for step in steps:
        if "run" not in step["verb"]:
            continue
        run = step["verb"]["run"]
        if machine in run["expect"]["units"]:
            found.update(unit for unit, fate in fates(run["expect"]["units"][machine]) if fate != "untouched")
        if run["during"] is not None:
            found |= moved(run["during"]["then"], machine)
    return found


def is_named(step: str, name: str) -> bool:
    """Whether a scenario that says `name` means this step: one of a block goes by the block's step, too."""
    return step == name or step.startswith(name + ": ")
