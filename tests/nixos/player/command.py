"""A command while it runs, and what is expected of it once it has ended."""

import json
from typing import List, NamedTuple, Optional

from .guest import Failed, Guest, Time
from .ground import Closures
from .model import Expect, Exit, Json

# From a file: `pkill -f` shall find the programs and not the shell that was told to run them.
START = """set -eu
mkdir -p "$1"
chmod 755 "$1"
printf '%s\\n' "$3" > "$1/command"
: > "$1/stdout"
: > "$1/stderr"
cat > "$1/run" <<'END'
cd "$(cat "$1/folder")"
export SLIPWAY_PLAY=1
if [ "$2" = root ]; then sh "$1/command"; else runuser -u "$2" -- sh "$1/command"; fi > "$1/stdout" 2> "$1/stderr" < /dev/null
echo $? > "$1/code.new"
mv "$1/code.new" "$1/code"
END
printf '%s' "$4" > "$1/folder"
setsid sh "$1/run" "$1" "$2" > /dev/null 2>&1 < /dev/null &
echo $! > "$1/pid"
"""

# Lines of output that are shown with what was found.
SHOWN = 12


class Ended(NamedTuple):
    """`code` is None if its machine ended under it."""

    code: Optional[int]
    stdout: str
    stderr: str

    def last_lines(self) -> str:
        lines = [line for line in f"{self.stdout}\n{self.stderr}".splitlines() if line.strip()]
        return "output ending in:\n" + "\n".join(lines[-SHOWN:]) if lines else "no output"

    def ending(self) -> str:
        if self.code is None:
            return "its machine ended under it"
        signal = f", as of signal {self.code - 128}" if self.by_signal() else ""
        return f"exit code {self.code}{signal}"

    def by_signal(self) -> bool:
        """A shell says 128 + n of a command that signal n ended."""
        return self.code is not None and 129 <= self.code <= 192


class Command:
    def __init__(self, guest: Guest, number: int, command: str, user: str, folder: str) -> None:
        self.guest = guest
        self.dir = f"/run/slipway-play/{number}"
        guest.must(START, self.dir, user, command, folder)

    def ended(self) -> Optional[Ended]:
        """What it came to; None while it runs, or while nobody can say."""
        if self.guest.frozen:
            return None
        if self.guest.off:
            return Ended(None, "", "")
        code, said = self.guest.sh('if [ -d "$1" ]; then cat "$1/code" 2>/dev/null; else exit 9; fi', self.dir)
        if code == 9:
            # The machine is up again without it.
            return Ended(None, "", "")
        if code != 0 or not said.strip():
            return None
        return Ended(int(said), self.read("stdout"), self.read("stderr"))

    def read(self, stream: str) -> str:
        return self.guest.must('cat "$1"', f"{self.dir}/{stream}")

    def output(self) -> str:
        return self.read("stdout") + self.read("stderr") if self.guest.answers() else ""

    def kill(self) -> None:
        if self.guest.answers():
            self.guest.sh('kill -KILL -- "-$(cat "$1/pid")"', self.dir)

    def end(self, end: float, within: int, clock: Time) -> Ended:
        """Waits for its end."""
        while True:
            ended = self.ended()
            if ended is not None:
                return ended
            if clock.now() > end:
                said = self.output()
                self.kill()
                raise Failed(
                    f"an end within {within} s",
                    "it still ran; its " + Ended(0, said, "").last_lines(),
                    self.guest.name,
                )
            clock.sleep(0.1)


def accepts(wanted: Exit, ended: Ended) -> bool:
    if wanted == "any":
        return True
    if ended.code is None:
        return False
    if wanted == "failure":
        return ended.code != 0 and not ended.by_signal()
    assert not isinstance(wanted, str)
    return ended.code in wanted["codes"]


def exit_words(wanted: Exit) -> str:
    if isinstance(wanted, str):
        return "failure" if wanted == "failure" else "any end"
    return "exit code " + " or ".join(map(str, wanted["codes"]))


def check(expect: Expect, ended: Ended, closures: Closures, machine: Optional[str]) -> None:
    """Holds a command's end against what is expected; units are looked at elsewhere."""
    if not accepts(expect["exit"], ended):
        raise Failed(exit_words(expect["exit"]), f"{ended.ending()}; {ended.last_lines()}", machine)
    both = f"{ended.stdout}\n{ended.stderr}"
    for text in map(closures.fill, expect["output"]):
        if text not in both:
            raise Failed(f"output with `{text}`", ended.last_lines(), machine)
    for text in map(closures.fill, expect["output-lacks"]):
        for line in both.splitlines():
            if text in line:
                raise Failed(f"output without `{text}`", f"`{line}`", machine)
    exact = expect["stdout"]
    if exact is not None and ended.stdout.rstrip("\n") != closures.fill(exact).rstrip("\n"):
        raise Failed(f"stdout `{closures.fill(exact)}`", f"`{ended.stdout.rstrip()}`", machine)
    if not expect["json"]:
        return
    try:
        document: Json = json.loads(ended.stdout)
    except ValueError as error:
        raise Failed("a JSON document on stdout", f"{error}; {ended.last_lines()}", machine) from error
    for at, value in expect["json"].items():
        value = closures.fill(value) if isinstance(value, str) else value
        found = pointer(document, at)
        if not found or not same(found[0], value):
            said = json.dumps(found[0]) if found else "nothing there"
            raise Failed(f"{json.dumps(value)} at {at}", said, machine)


def pointer(document: Json, at: str) -> List[Json]:
    """What a JSON pointer leads to; empty if there is nothing."""
    here = document
    for part in at.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and key in here:
            here = here[key]
        elif isinstance(here, list) and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        else:
            return []
    return [here]


def same(one: Json, other: Json) -> bool:
    """As people compare: 1 is 1.0, and neither is true."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other
