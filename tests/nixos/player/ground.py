"""What a play stands on, written by Nix: the closures of its generations, the machines' addresses and names."""

import re
from typing import Dict, List, TypedDict

from .model import Json, Play

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class Closure(TypedDict):
    """A generation of a machine, built."""

    toplevel: str
    # What a deployment copies.
    profile: str
    # What the controller is told of it (tests/machine/host.nix).
    host: "Host"


class Built(TypedDict):
    """A derivation and what it makes."""

    drv: str
    out: str


class Host(TypedDict):
    """A generation of a host, as a fleet has it."""

    inventory: Dict[str, Json]
    toplevel: Built
    profile: Built


Ground = TypedDict(
    "Ground",
    {
        # By machine and generation.
        "closures": Dict[str, Dict[str, Closure]],
        "addresses": Dict[str, str],
        # The test driver's name of a machine.
        "nodes": Dict[str, str],
        # nix-store --load-db reads it: all closures, without their derivers.
        "registration": str,
        # What else lies in the controller's folder, by name.
        "files": Dict[str, str],
        # A file that only keeps room on the disks of hosts' machines.
        "room": str,
    },
)

# Who may log in with the play's key; the first is whom `reachable` asks for.
USERS: List[str] = ["deploy", "operator"]


class Closures:
    """The closures as the play means them: a control's swaps are made."""

    def __init__(self, ground: Ground, play: Play) -> None:
        swap = play["control"]["swap"] if play["control"] is not None else {}
        self.by_machine: Dict[str, Dict[str, Closure]] = {
            machine: {
                generation: closures[swap.get(generation, generation)]
                if swap.get(generation, generation) in closures
                else closure
                for generation, closure in closures.items()
            }
            for machine, closures in ground["closures"].items()
        }
        self.addresses = ground["addresses"]

    def paths(self, machine: str, generation: str) -> List[str]:
        """What runs and what is copied: a profile may lead to either."""
        closure = self.by_machine[machine][generation]
        return [closure["toplevel"], closure["profile"]]

    def name(self, machine: str, path: str) -> str:
        """The generations that a path is, this machine's own before others'."""
        own = [name for name in self.by_machine.get(machine, {}) if path in self.paths(machine, name)]
        others = [
            f"{other}.{name}"
            for other, closures in self.by_machine.items()
            for name in closures
            if other != machine and path in self.paths(other, name)
        ]
        return " or ".join(own or others) or f"an unknown closure {path}"

    def fill(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda word: self.word(word[1].strip()), text)

    def word(self, word: str) -> str:
        machine, _, what = word.partition(".")
        generation, _, which = what.partition(".")
        if what == "address" and machine in self.addresses:
            return self.addresses[machine]
        closure = self.by_machine.get(machine, {}).get(generation)
        if closure is not None and which == "":
            return closure["toplevel"]
        if closure is not None and which == "profile":
            return closure["profile"]
        raise ValueError(f"nothing is known of {{{{{word}}}}}")
