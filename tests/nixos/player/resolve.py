"""From a scenario file's tables to its plays, as harness/src/scenario/resolve.rs: `each` multiplied out, blocks and
named points put in, controls made. What is wrong in a file is for `vm-test --check` to say; here it is a KeyError."""

import copy
import re
from typing import Any, Dict, List, Optional, Tuple, cast

from .model import (
    AS_CONFIGURED,
    CONTROLLER,
    Codes,
    Control,
    During,
    Expect,
    Fact,
    GenerationOf,
    Json,
    Machine,
    Play,
    Point,
    Run,
    RunBy,
    Step,
    Table,
    Units,
    Verb,
    is_named,
)

OF_A_MACHINE = ["reboot", "power-cut", "power-on", "freeze", "thaw"]
VERBS = ["run", "wait", "state", *OF_A_MACHINE, "network", "disk", "clock", "kill", "play"]
FACTS = ["running", "booted", "boot-default", "profile", "reachable", "failed-units"]
FATES = ["restarted", "reloaded", "started", "stopped", "untouched"]
SIGHTS = ["unit", "port", "file", "no-file", "process", "running", "profile", "boot-default"]
USUAL_TIME = {"wait": 30, "state": 5, "reboot": 300, "power-on": 200, "disk": 300}

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)

# A file's table; what is in it is looked at key by key.
Tree = Dict[str, Any]


def plays(scenario: str, tree: Tree, hosts: List[str]) -> List[Play]:
    """All plays of a scenario: its cells in their order, the controls behind them."""
    read = [(name, put_in(without(tree, "each"), values)) for name, values in cells(tree, hosts)]
    played = [Cell(scenario, name, cell).play() for name, cell in read]
    controls = []
    for at, written in enumerate(read[0][1].get("controls", [])):
        of = next(
            (play for play in played if play["cell"] == written.get("cell")),
            played[0],
        )
        table = next(cell for name, cell in read if name == of["cell"])["controls"][at]
        controls.append(control(of, table, at + 1))
    return played + controls


def cells(tree: Tree, hosts: List[str]) -> List[Tuple[Optional[str], Table]]:
    each = tree.get("each")
    if each is None:
        return [(None, {})]
    if each == "hosts":
        return [(host, {"host": host, "name": host}) for host in hosts]
    named = []
    for row in each:
        name = row["name"] if "name" in row else "-".join(str(row[key]) for key in sorted(row))
        named.append((name, {**row, "name": name}))
    return named


def without(tree: Tree, key: str) -> Tree:
    return {name: value for name, value in tree.items() if name != key}


def put_in(value: Any, values: Table) -> Any:
    """A cell's values in every string; what is no key of the cell stays, it is the player's."""
    if isinstance(value, dict):
        return {key: put_in(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [put_in(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    whole = PLACEHOLDER.fullmatch(value)
    if whole is not None and whole[1] in values:
        return copy.deepcopy(values[whole[1]])
    return PLACEHOLDER.sub(lambda word: words(values[word[1]]) if word[1] in values else word[0], value)


def words(value: Json) -> str:
    """As Rust prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def control(play: Play, table: Tree, number: int) -> Play:
    leave_out: List[str] = table.get("leave-out", [])
    changed = copy.deepcopy(play)
    changed["name"] = f"{play['name']}-control-{number}"
    changed["steps"] = [
        step for step in changed["steps"] if not any(is_named(step["name"], name) for name in leave_out)
    ]
    made: Control = {
        "number": number,
        "title": table["title"],
        "leave-out": leave_out,
        "swap": table.get("swap", {}),
        "fails-at": table["fails-at"],
    }
    changed["control"] = made
    return changed


class Cell:
    """A scenario whose cell's values are put in."""

    def __init__(self, scenario: str, name: Optional[str], tree: Tree) -> None:
        self.scenario = scenario
        self.name = name
        self.tree = tree
        self.machines: Dict[str, Machine] = {
            machine: machine_of(machine, table) for machine, table in tree.get("machines", {}).items()
        }

    def play(self) -> Play:
        return {
            "name": self.scenario if self.name is None else f"{self.scenario}-{self.name}",
            "scenario": self.scenario,
            "cell": self.name,
            "control": None,
            "title": self.tree["title"].strip(),
            "proves": self.tree["proves"].strip(),
            "machines": self.machines,
            "steps": self.steps(self.tree["steps"], []),
        }

    def only_machine(self) -> str:
        (only,) = self.machines
        return only

    def steps(self, tables: List[Tree], outer: List[str]) -> List[Step]:
        steps: List[Step] = []
        for table in tables:
            (verb,) = [key for key in table if key in VERBS]
            name = table.get("name", called(verb, table[verb]))
            if verb == "play":
                steps += self.steps(self.tree["blocks"][table["play"]], [*outer, name])
                continue
            steps.append(
                {
                    "name": ": ".join([*outer, name]),
                    "within": table.get("within", USUAL_TIME.get(verb, 60)),
                    "fails": table.get("fails"),
                    "verb": self.verb(verb, table),
                }
            )
        return steps

    def verb(self, verb: str, table: Tree) -> Verb:
        value = table[verb]
        made: Dict[str, Any]
        if verb == "run":
            made = {"run": self.run(table)}
        elif verb == "wait":
            made = {"wait": self.point(value, table.get("on"))}
        elif verb == "state":
            made = {"state": {machine: facts(state) for machine, state in value.items()}}
        elif verb in OF_A_MACHINE:
            made = {verb: value}
        else:
            on = table["on"] if "on" in table else CONTROLLER if verb == "kill" else self.only_machine()
            made = {verb: {"on": on, **fault(verb, value, table)}}
        return cast(Verb, made)

    def run(self, table: Tree) -> Run:
        on = table.get("on", CONTROLLER)
        during = table.get("during")
        by: RunBy = "controller"
        if on != CONTROLLER:
            by = {"user": {"machine": on, "user": table.get("user", "root")}}
        return {
            "command": table["run"],
            "by": by,
            "expect": expect(table.get("expect", {})),
            "during": None if during is None else self.during(during),
        }

    def during(self, table: Tree) -> During:
        before = table.get("before")
        return {
            "when": self.point(table["when"], None),
            "before": None if before is None else self.point(before, None),
            "then": self.steps(table["then"], []),
        }

    def point(self, written: Any, on_of_step: Optional[str]) -> Point:
        table: Tree = self.tree["points"][written] if isinstance(written, str) else written
        if "output" in table:
            return {"output": table["output"]}
        if "after" in table:
            return {"after": table["after"]}
        on = table.get("on", on_of_step)
        return cast(
            Point,
            {"seen": {"on": self.only_machine() if on is None else on, "sight": sight(table)}},
        )


def machine_of(name: str, table: Tree) -> Machine:
    if table.get("helper", False):
        return "helper"
    in_store: List[GenerationOf] = []
    for word in table.get("in-store", []):
        machine, dot, generation = word.partition(".")
        in_store.append(
            {"machine": machine, "generation": generation} if dot else {"machine": name, "generation": word}
        )
    return {
        "host": {
            "host": table.get("host", name),
            "generations": table.get("generations", [AS_CONFIGURED]),
            "in-store": in_store,
        }
    }


def called(verb: str, value: Any) -> str:
    """What a step is called that has no name."""
    if isinstance(value, (dict, list)) or verb == "state":
        return verb
    return f"{verb} {value}"


def facts(state: Tree) -> List[Fact]:
    return [{fact: state[fact]} for fact in FACTS if fact in state]


def expect(table: Tree) -> Expect:
    code = table.get("exit", 0)
    codes: Codes = {"codes": code if isinstance(code, list) else [code]}
    return {
        "exit": code if code in ("failure", "any") else codes,
        "output": table.get("output", []),
        "output-lacks": table.get("output-lacks", []),
        "stdout": table.get("stdout"),
        "json": table.get("json", {}),
        "units": {
            machine: cast(Units, {fate: units.get(fate, []) for fate in FATES})
            for machine, units in table.get("units", {}).items()
        },
    }


def sight(table: Tree) -> Tree:
    if "journal" in table:
        return {"journal": {"text": table["journal"], "unit": table.get("unit")}}
    if "http" in table:
        http = table["http"]
        return {"http": {"url": http["url"], "status": http.get("status", 200), "text": http.get("text")}}
    (kind,) = [kind for kind in SIGHTS if kind in table]
    return {kind: table[kind]}


def fault(verb: str, value: Any, table: Tree) -> Tree:
    if verb == "network":
        if isinstance(value, str):
            return {"condition": value}
        shaped = {
            "delay-ms": value.get("delay-ms", 0),
            "loss": value.get("loss", 0.0),
            "bytes-per-second": value.get("bytes-per-second"),
        }
        return {"condition": {"shaped": shaped}}
    if verb == "disk":
        return {"at": table.get("at", "/"), "condition": value}
    if verb == "clock":
        return {"seconds": value}
    return {"pattern": value, "signal": table.get("signal", "KILL")}
