"""A test driver that has no machines: it records what it is told and answers from what a test says is so."""

import contextlib
import re
import shlex
from typing import Callable, Iterator, List, Optional, Tuple

from player.ground import Ground
from player.guest import Guest, Time
from player.model import CONTROLLER, Expect, Play, Run, Step, Verb
from player.play import Player
from player.stage import Stage

Answer = Tuple[int, str]
Reply = Callable[["FakeMachine", str, List[str]], Optional[Answer]]


class FakeTime(Time):
    """Goes on when it is asked, and when somebody sleeps."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        self.at += 0.001
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class FakeMachine:
    """Answers commands by the first reply that has one; all else succeeds and says nothing."""

    def __init__(self, name: str, world: "World") -> None:
        self.name = name
        self.world = world
        self.started: Optional[bool] = None

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: Optional[int] = 900,
    ) -> Answer:
        assert self.started, f"{self.name} is asked while it is off"
        words = shlex.split(command)
        script, arguments = words[2], words[4:]
        self.world.told.append((self.name, script, *arguments))
        for reply in reversed(self.world.replies):
            answer = reply(self, script, arguments)
            if answer is not None:
                return answer
        return (0, "")

    def start(self, allow_reboot: bool = False) -> None:
        assert allow_reboot, "a machine that may not reboot cannot be rebooted"
        self.started = True
        self.world.told.append((self.name, "start"))

    def crash(self) -> None:
        self.started = False
        self.world.told.append((self.name, "crash"))

    def reboot(self) -> None:
        self.world.told.append((self.name, "reboot"))

    def block(self) -> None:
        self.world.told.append((self.name, "block"))

    def unblock(self) -> None:
        self.world.told.append((self.name, "unblock"))

    def send_monitor_command(self, command: str) -> str:
        self.world.told.append((self.name, "monitor", command))
        return ""


class Job:
    """How a command of the play ends: after so many looks, with this."""

    def __init__(self, code: Optional[int] = 0, stdout: str = "", stderr: str = "", looks: int = 1) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        self.looks = looks


class World:
    """What is so on the machines of a test."""

    def __init__(self) -> None:
        self.told: List[Tuple[str, ...]] = []
        self.replies: List[Reply] = [self.usual, self.job]
        self.jobs: List[Job] = []
        self.said: List[str] = []
        self.machines = {name: FakeMachine(name, self) for name in ("Niko", CONTROLLER)}
        self.time = FakeTime()

    def usual(self, machine: FakeMachine, script: str, arguments: List[str]) -> Optional[Answer]:
        if "is-system-running" in script:
            return (0, "running\n")
        if "id_ed25519.pub" in script:
            return (0, "ssh-ed25519 KEY play\n")
        if "ssh_host_ed25519_key.pub" in script:
            return (0, "ssh-ed25519 HOST\n")
        if "signer-key.pub" in script:
            return (0, "ssh-ed25519 SIGNER play\n")
        if script.endswith("signing-key.public"):
            return (0, "play-1:PUBLIC\n")
        if arguments[:1] == ["/registration"]:
            return (0, "/nix/store/p1\nhash\n5\n\n1\n/nix/store/t1\n/nix/store/t1\nhash\n7\n\n0\n")
        return None

    def job(self, machine: FakeMachine, script: str, arguments: List[str]) -> Optional[Answer]:
        """The files of the command that was started last."""
        if not arguments or not arguments[0].startswith("/run/slipway-play/"):
            return None
        at = re.match(r"/run/slipway-play/(\d+)", arguments[0])
        assert at is not None
        job = self.jobs[int(at[1]) - 1] if int(at[1]) <= len(self.jobs) else Job()
        if "$1/code" in script and "exit 9" in script:
            job.looks -= 1
            if job.looks > 0:
                return (1, "")
            return (9, "") if job.code is None else (0, f"{job.code}\n")
        if arguments[0].endswith("/stdout"):
            return (0, job.stdout)
        if arguments[0].endswith("/stderr"):
            return (0, job.stderr)
        return None

    def reply(self, contains: str, answer: Answer, on: Optional[str] = None) -> None:
        """What is said to scripts that contain a text; the newest counts."""

        def reply(machine: FakeMachine, script: str, arguments: List[str]) -> Optional[Answer]:
            asked = " ".join([script, *arguments])
            return answer if contains in asked and on in (None, machine.name) else None

        self.replies.append(reply)

    def scripts(self, on: str) -> List[str]:
        return [" ".join(told[1:]) for told in self.told if told[0] == on]


GROUND: Ground = {
    "closures": {
        "Niko": {
            name: {
                "toplevel": f"/nix/store/t{number}",
                "profile": f"/nix/store/p{number}",
                "host": {
                    "inventory": {"node": {"user": "root", "sshUser": "deploy", "hostname": "192.168.0.11"}},
                    "toplevel": {"drv": f"/nix/store/t{number}.drv", "out": f"/nix/store/t{number}"},
                    "profile": {"drv": f"/nix/store/p{number}.drv", "out": f"/nix/store/p{number}"},
                },
            }
            for number, name in enumerate(("as-configured", "good", "bad"))
        }
    },
    "addresses": {"Niko": "192.168.0.11", CONTROLLER: "192.168.0.240"},
    "nodes": {"Niko": "Niko", CONTROLLER: CONTROLLER},
    "registration": "/registration",
    "room": "/nix/store/room",
    "files": {"release.sh": "release\n"},
}

NOTHING: Expect = {"exit": {"codes": [0]}, "output": [], "output-lacks": [], "stdout": None, "json": {}, "units": {}}


def run(command: str = "true", **changes: object) -> Verb:
    made: Run = {"command": command, "by": "controller", "expect": NOTHING, "during": None}
    made.update(changes)  # type: ignore[typeddict-item]
    return {"run": made}


def step(verb: Verb, name: str = "a step", within: int = 10, fails: Optional[str] = None) -> Step:
    return {"name": name, "within": within, "fails": fails, "verb": verb}


def play_of(*steps: Step) -> Play:
    return {
        "name": "it",
        "scenario": "it",
        "cell": None,
        "control": None,
        "title": "It",
        "proves": "That.",
        "machines": {"Niko": {"host": {"host": "Niko", "generations": list(GROUND["closures"]["Niko"]), "in-store": []}}},
        "steps": list(steps),
    }


def stage_of(world: World, play: Play) -> Stage:
    guests = {name: Guest(name, machine) for name, machine in world.machines.items()}
    return Stage(play, GROUND, guests, world.time)


def playing(world: World, play: Play) -> Player:
    """A player whose machines are up."""

    @contextlib.contextmanager
    def subtest(name: str) -> Iterator[None]:
        world.said.append(f"subtest: {name}")
        yield

    stage = stage_of(world, play)
    for guest in stage.guests.values():
        guest.start()
    world.told.clear()
    return Player(stage, subtest, world.said.append)


def play(world: World, *verbs: Verb, **more: object) -> None:
    """Plays steps of these verbs; raises what the test driver would see."""
    steps = [step(verb, f"step {number}", **more) for number, verb in enumerate(verbs, 1)]  # type: ignore[arg-type]
    playing(world, play_of(*steps)).play()
