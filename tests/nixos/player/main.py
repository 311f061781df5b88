"""The test script's way in."""

import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Callable, Dict, List, Protocol

from .guest import Driven, Guest, Time
from .model import Play
from .play import Player
from .resolve import plays
from .stage import Stage


class Named(Driven, Protocol):
    @property
    def name(self) -> str: ...


def load(file: str) -> Dict[str, Any]:
    loaded: Dict[str, Any] = json.loads(Path(file).read_text())
    return loaded


def one(given: Dict[str, Any]) -> Play:
    """The play that is asked for, of the scenario's file as it stands."""
    return next(
        play
        for play in plays(given["scenario"], given["tree"], given["hosts"])
        if play["name"] == given["play"]
    )


def run(
    file: str,
    machines: List[Named],
    subtest: Callable[[str], AbstractContextManager[None]],
    say: Callable[[str], None],
) -> None:
    """Plays what Nix wrote into a file, with the test driver's machines."""
    given = load(file)
    play, ground = one(given), given["ground"]
    driven = {machine.name: machine for machine in machines}
    guests = {name: Guest(name, driven[node]) for name, node in ground["nodes"].items()}
    stage = Stage(play, ground, guests, Time())
    stage.set_up()
    Player(stage, subtest, say).play()


if __name__ == "__main__":
    # SCENARIO FILE HOST…: the plays of a file, as the test that compares them with Rust's wants them.
    import tomllib

    with open(sys.argv[2], "rb") as toml:
        json.dump(plays(sys.argv[1], tomllib.load(toml), sys.argv[3:]), sys.stdout)
