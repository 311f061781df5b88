"""A machine as the player uses it: the test driver's, with what the player knows of its power. Commands go over the
driver's own channel, which needs neither the guest's network nor its sshd."""

import shlex
import time
from typing import Optional, Protocol, Tuple


class Failed(Exception):
    """Something is not as the scenario says."""

    def __init__(self, expected: str, found: str, machine: Optional[str] = None) -> None:
        super().__init__(f"expected {expected}; found {found}" + (f" (on {machine})" if machine else ""))
        self.expected = expected
        self.found = found
        self.machine = machine


class NotDone(Failed):
    """A machine did not answer, or did not do what it was told: `expected` has the step's own words, and only `found`
    says what came of it."""


class Broken(Exception):
    """The player could not do it: nothing is known of what was to be proved."""


class Driven(Protocol):
    """What is used of the test driver's machines."""

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: Optional[int] = 900,
    ) -> Tuple[int, str]: ...

    def start(self, allow_reboot: bool = False) -> None: ...

    def crash(self) -> None: ...

    def reboot(self) -> None: ...

    def block(self) -> None: ...

    def unblock(self) -> None: ...

    def send_monitor_command(self, command: str) -> str: ...


class Time:
    """Guest time; with KVM it is the host's."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Guest:
    """A machine of a play, the controller included."""

    def __init__(self, name: str, driven: Driven) -> None:
        self.name = name
        self.driven = driven
        self.off = True
        self.frozen = False

    def answers(self) -> bool:
        return not self.off and not self.frozen

    def require(self, what: str) -> None:
        if not self.answers():
            raise NotDone(what, f"{self.name} is {'off' if self.off else 'frozen'}", self.name)

    def sh(self, script: str, *arguments: str, within: int = 60) -> Tuple[int, str]:
        """Exit code and stdout of a script for sh."""
        self.require("an answer")
        words = ["sh", "-c", script, "sh", *arguments]
        return self.driven.execute(" ".join(map(shlex.quote, words)), timeout=within)

    def must(self, script: str, *arguments: str, within: int = 60) -> str:
        """What a script prints that cannot fail on a machine that is as it should be."""
        code, said = self.sh(f"exec 2>&1; {script}", *arguments, within=within)
        if code != 0:
            raise NotDone(f"`{script}` to succeed", f"exit code {code}: {said.strip()}", self.name)
        return said

    def start(self) -> None:
        if self.off:
            self.driven.start(allow_reboot=True)
            self.off = False

    def reboot(self) -> None:
        self.require("a reboot")
        self.driven.reboot()

    def power_cut(self) -> None:
        if self.off:
            raise NotDone("the power to be cut", f"{self.name} is off already", self.name)
        self.driven.crash()
        self.off, self.frozen = True, False

    def freeze(self) -> None:
        self.require("it to freeze")
        self.driven.send_monitor_command("stop")
        self.frozen = True

    def thaw(self) -> None:
        if not self.frozen:
            raise NotDone("it to thaw", f"{self.name} is not frozen", self.name)
        self.driven.send_monitor_command("cont")
        self.frozen = False

    def settled(self, within: float, clock: Time) -> None:
        """Waits until systemd has started what it was to start, failed units or not."""
        self.require("the end of its boot")
        end = clock.now() + within
        while True:
            _, said = self.sh("systemctl is-system-running || true")
            # The driver waits for a machine that boots as long as it likes.
            if clock.now() > end:
                raise NotDone(f"the end of its boot within {within:.0f} s", f"it is {said.strip()} after that", self.name)
            if said.strip() in ("running", "degraded"):
                return
            clock.sleep(0.3)
