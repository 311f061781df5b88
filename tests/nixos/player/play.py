"""One step after the other: what each verb does to the machines, what is looked at, and what the end means."""

from contextlib import AbstractContextManager
from typing import Callable, Dict, List, NamedTuple, Optional, Union

from . import look
from .command import Command, Ended, check
from .guest import Failed, Guest, NotDone, Time
from .model import (
    CONTROLLER,
    Control,
    Disk,
    During,
    Fact,
    Kill,
    Network,
    Point,
    Run,
    Seen,
    Step,
    Verb,
    fates,
    is_named,
    moved,
)
from .stage import FOLDER, SIGNER_KEY, SIGNING_KEY, Stage

# Seconds that may lie between the last look at `before` and the fault: what happens in between is not seen. The same
# as in the other player.
UNSEEN = 2.0
NO_FAULTS = ("run", "wait", "state")

# Halves what it asks for until not even 4 KiB fit; what was allocated stays.
FILL = """set -eu
file="$(stat -c %m -- "$1")/slipway-ballast"
size=17179869184
while [ $size -ge 4096 ]; do
  at=$(stat -c %s "$file" 2>/dev/null || echo 0)
  fallocate -o "$at" -l $size "$file" 2>/dev/null || { [ ! -e "$file" ] || truncate -s "$at" "$file"; size=$((size / 2)); }
done
sync -f "$file" """
# On the disk, too: after a power cut right away it would be full again.
FREE = 'top=$(stat -c %m -- "$1") && rm -f -- "$top/slipway-ballast" && sync -f "$top"'
# What a kernel does with a failing disk, in the background.
READ_ONLY = """echo u > /proc/sysrq-trigger
for i in $(seq 100); do
  while read -r _ at _ options _; do case $at,$options in /,ro*) exit 0 ;; esac; done < /proc/mounts
  sleep 0.2
done
exit 1"""
WRITABLE = """while read -r device at _; do
  case $device in /dev/*) mount -o remount,rw "$at" || exit 1 ;; esac
done < /proc/mounts"""
# The driver can only unplug. eth1 is the machines' network.
CUT = """nft -f - <<'END'
table netdev slipway-test {
  chain in { type filter hook ingress device "eth1" priority -500; policy drop; }
  chain out { type filter hook egress device "eth1" priority -500; policy drop; }
}
END"""
RESTORE = "! nft list table netdev slipway-test > /dev/null 2>&1 || nft delete table netdev slipway-test"
MOVE = 'date -s "@$(($(date +%s) + $1))"'
KILL = 'pkill "-$1" -f -- "$(cat /run/slipway-pattern)"'
# Everything in a NixOS has `nix` in its path: on the controller only what a step's command has started is meant.
KILL_STARTED = """killed=1
for pid in $(pgrep -f -- "$(cat /run/slipway-pattern)"); do
  if grep -qzx SLIPWAY_PLAY=1 "/proc/$pid/environ" 2> /dev/null && kill "-$1" "$pid"; then killed=0; fi
done
exit $killed"""


class PlayFailed(Exception):
    """The verdict of a play that did not pass."""


Subtest = Callable[[str], AbstractContextManager[None]]
Verdict = Optional[Exception]


class Player:
    def __init__(self, stage: Stage, subtest: Subtest, say: Callable[[str], None]) -> None:
        self.stage = stage
        self.clock: Time = stage.clock
        self.subtest = subtest
        self.say = say
        self.commands = 0

    def play(self) -> None:
        """Plays it from the start to the first step that fails."""
        for step in self.stage.play["steps"]:
            try:
                with self.subtest(step["name"]):
                    self.step(step)
            except Failed as failure:
                self.say(f"`{step['name']}` failed: {failure}")
                verdict(self.stage.play["control"], step["name"], failure)
                return
        verdict(self.stage.play["control"], None, None)

    def step(self, step: Step) -> None:
        try:
            self.act(step["verb"], step["within"])
        except Failed as failure:
            wanted = step["fails"]
            if wanted is None:
                raise
            said_by_step = not isinstance(failure, NotDone) and wanted in failure.expected
            if not said_by_step and wanted not in failure.found:
                raise Failed(f"a failure that says `{wanted}`", str(failure), failure.machine) from failure
        else:
            if step["fails"] is not None:
                raise Failed(f"a failure that says `{step['fails']}`", "no failure")

    def act(self, verb: Verb, within: int) -> None:
        if "run" in verb:
            self.run(verb["run"], within)
        elif "wait" in verb:
            self.wait(verb["wait"], within)
        elif "state" in verb:
            self.state(verb["state"], within)
        else:
            end = self.clock.now() + within
            self.inflict(verb, within)
            if self.clock.now() > end:
                raise NotDone(f"it to be done within {within} s", "it took longer")

    def inflict(self, verb: Verb, within: int) -> None:
        """Whatever is done to a machine."""
        machine = self.stage.machine
        end = self.clock.now() + within
        if "reboot" in verb:
            machine(verb["reboot"]).reboot()
            machine(verb["reboot"]).settled(end - self.clock.now(), self.clock)
        elif "power-cut" in verb:
            machine(verb["power-cut"]).power_cut()
        elif "power-on" in verb:
            machine(verb["power-on"]).start()
            machine(verb["power-on"]).settled(end - self.clock.now(), self.clock)
        elif "freeze" in verb:
            machine(verb["freeze"]).freeze()
        elif "thaw" in verb:
            machine(verb["thaw"]).thaw()
        elif "network" in verb:
            self.network(verb["network"])
        elif "disk" in verb:
            self.disk(verb["disk"], within)
        elif "clock" in verb:
            machine(verb["clock"]["on"]).must(MOVE, str(verb["clock"]["seconds"]), within=within)
        elif "kill" in verb:
            self.kill(verb["kill"], within)
        else:
            file = f"tests/scenarios/{self.stage.play['scenario']}.toml"
            raise ValueError(
                f"{file}: the player knows no verb of {', '.join(verb)}: add it to tests/nixos/player/play.py"
            )

    def run(self, run: Run, within: int) -> None:
        expect = run["expect"]
        by = run["by"]
        guest, user = self.stage.controller, "root"
        command, folder = self.stage.closures.fill(run["command"]), FOLDER
        if isinstance(by, dict):
            guest, user = self.stage.machine(by["user"]["machine"]), by["user"]["user"]
            folder = "/"
        else:
            command = f"export LOCAL_KEY={SIGNING_KEY} RELEASE_KEY={SIGNER_KEY}\n{command}"
        on = None if guest is self.stage.controller else guest.name
        before = {name: look.units(self.stage.machine(name), units) for name, units in expect["units"].items()}
        during = run["during"]
        watches = Watches(self, during) if during is not None else None
        end = self.clock.now() + within
        self.commands += 1
        running = Command(guest, self.commands, command, user, folder)
        if watches is not None:
            self.fault(watches, running, end)
        ended = running.end(end, within, self.clock)
        check(expect, ended, self.stage.closures, on)
        for name, units in expect["units"].items():
            after = look.units(self.stage.machine(name), units)
            known = moved(self.stage.play["steps"], name)
            for unit, wanted in fates(units):
                may_be_nowhere = wanted == "untouched" and unit in known
                if look.is_nowhere(before[name][unit], after[unit]) and not may_be_nowhere:
                    raise Failed(f"{unit} {wanted}", f"no such unit, neither before nor after: {unit}", name)
                found = look.fate(before[name][unit], after[unit])
                if found != wanted:
                    raise Failed(f"{unit} {wanted}", f"{unit} {found}", name)

    def wait(self, point: Point, within: int) -> None:
        seen = point["seen"]
        end = self.clock.now() + within
        while not self.is_there(seen):
            if self.clock.now() > end:
                raise Failed(
                    f"{look.words(seen['sight'])} within {within} s",
                    "it was there all the time" if "no-file" in seen["sight"] else "it was not there",
                    seen["on"],
                )
            self.clock.sleep(0.2)

    def is_there(self, seen: Seen, cursor: Optional[str] = None) -> bool:
        return look.is_there(self.stage.look(seen["on"]), seen["sight"], cursor)

    def state(self, wanted: Dict[str, List[Fact]], within: int) -> None:
        """All facts of all machines at one time."""
        end = self.clock.now() + within
        while True:
            try:
                for name, facts in wanted.items():
                    wrong = [finding for finding in self.stage.look(name).at(facts) if not finding.holds]
                    if wrong:
                        raise Failed(
                            f"{name}: " + ", ".join(finding.expected for finding in wrong),
                            ", ".join(finding.found for finding in wrong),
                            name,
                        )
                return
            except Failed:
                if self.clock.now() > end or any(not self.stage.machine(name).answers() for name in wanted):
                    raise
            self.clock.sleep(0.3)

    def network(self, network: Network) -> None:
        guest, condition = self.stage.machine(network["on"]), network["condition"]
        guest.require("another network")
        if condition == "cut":
            guest.must(CUT)
        elif condition == "unplugged":
            guest.driven.block()
        elif condition == "restored":
            guest.driven.unblock()
            guest.must(RESTORE)
        else:
            raise ValueError("the test driver cannot slow a cable: see capabilities.toml")

    def disk(self, disk: Disk, within: int) -> None:
        script = {"full": FILL, "freed": FREE, "read-only": READ_ONLY, "writable": WRITABLE}
        self.stage.machine(disk["on"]).must(script[disk["condition"]], disk["at"], within=within)

    def kill(self, kill: Kill, within: int) -> None:
        guest: Guest = self.stage.machine(kill["on"])
        wanted = self.stage.closures.fill(kill["pattern"])
        look.pattern(guest, wanted)
        on = None if kill["on"] == CONTROLLER else kill["on"]
        code, _ = guest.sh(KILL_STARTED if on is None else KILL, kill["signal"], within=within)
        if code != 0:
            raise NotDone(f"it to be done within {within} s", f"no process `{wanted}` to kill", on)

    def fault(self, watches: "Watches", running: Command, end: float) -> None:
        """Waits for the point that the fault falls at, lets it fall, and judges by the times whether it fell inside of
        its phase."""
        when = watches.when
        while not when.reached(running):
            ended = running.ended()
            if ended is not None and not when.reached(running):
                raise Failed(
                    f"{when.words()} while the command runs",
                    f"the command ended before that, with {ended.ending()}; {ended.last_lines()}",
                )
            if ended is None and self.clock.now() > end:
                raise Failed(f"{when.words()} while the command runs", "the command got no further in its time")
            self.clock.sleep(0.01)
        times = Times(self.clock.now(), watches.before)
        times.look(running, self.clock)
        fell: Optional[float] = None
        for index, step in enumerate(watches.then):
            with self.subtest(step["name"]):
                self.step(step)
            is_fault = not any(verb in step["verb"] for verb in NO_FAULTS)
            if fell is None and (is_fault or index + 1 == len(watches.then)):
                fell = self.clock.now()
                times.look(running, self.clock)
        assert fell is not None
        self.say(times.words(fell))
        times.judge(fell)


class Watch:
    """Something that is looked for while a command runs."""

    def __init__(self, player: Player, point: Point) -> None:
        self.player = player
        self.point = point
        self.since = player.clock.now()
        self.was_reached = False
        self.cursor: Optional[str] = None
        if "seen" in point and "journal" in point["seen"]["sight"]:
            self.cursor = look.cursor(player.stage.machine(point["seen"]["on"]))

    def answers(self) -> bool:
        """Whether anybody can say: not if the machine is off or frozen."""
        return "seen" not in self.point or self.player.stage.machine(self.point["seen"]["on"]).answers()

    def reached(self, running: Command) -> bool:
        if not self.was_reached and self.answers():
            self.was_reached = self.ask(running)
        return self.was_reached

    def ask(self, running: Command) -> bool:
        point = self.point
        if "output" in point:
            return self.player.stage.closures.fill(point["output"]) in running.output()
        if "after" in point:
            return self.player.clock.now() - self.since >= point["after"]
        return self.player.is_there(point["seen"], self.cursor)

    def words(self) -> str:
        if "output" in self.point:
            return f"`{self.point['output']}` in the output"
        if "after" in self.point:
            return f"{self.point['after']:g} s"
        return look.words(self.point["seen"]["sight"])


class Watches:
    def __init__(self, player: Player, during: During) -> None:
        self.when = Watch(player, during["when"])
        self.before = Watch(player, during["before"]) if during["before"] is not None else None
        self.then = during["then"]


class Times:
    """When a fault's point was reached, and whether `before` had been."""

    def __init__(self, reached: float, before: Optional[Watch]) -> None:
        self.reached = reached
        self.before = before
        self.not_yet: Optional[float] = None
        self.too_late: Optional[float] = None

    def look(self, running: Command, clock: Time) -> None:
        if self.before is None or not self.before.answers():
            return
        # The moment of the question: what is not reached when it is answered was not reached then either.
        asked = clock.now()
        if not self.before.reached(running):
            self.not_yet = asked
        elif self.too_late is None:
            self.too_late = clock.now()

    def words(self, fell: float) -> str:
        said = f"point reached at {self.reached:.3f} s, fault fell at {fell:.3f} s"
        if self.not_yet is not None:
            said += f", not yet over at {self.not_yet:.3f} s"
        if self.too_late is not None:
            said += f", seen to be over at {self.too_late:.3f} s"
        return said

    def judge(self, fell: float) -> None:
        if self.before is None:
            return
        if self.not_yet is not None:
            # Who answered after the fault that it is over leaves nothing to presume.
            presumed = self.too_late is None and fell - self.not_yet <= UNSEEN
            if self.not_yet >= fell or presumed:
                return
        raise Failed(f"the fault to fall before {self.before.words()}", self.words(fell))


def verdict(control: Optional[Control], failed_at: Optional[str], failure: Verdict) -> None:
    """What the end of a play means: a control must fail, and at the step that it names."""
    if control is None:
        if failed_at is not None:
            raise PlayFailed(f"`{failed_at}` failed: {failure}") from failure
    elif failed_at is None:
        raise PlayFailed(
            f"this control was to fail at `{control['fails-at']}`, and nothing failed: "
            "the scenario passes for a wrong reason"
        )
    elif not is_named(failed_at, control["fails-at"]):
        raise PlayFailed(
            f"this control was to fail at `{control['fails-at']}`, and failed at `{failed_at}`: {failure}"
        ) from failure
