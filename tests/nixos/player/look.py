"""What is true of a machine and whether a point is reached there: questions to the guest, answers in the scenario's
words."""

import json
from typing import Dict, List, NamedTuple, Optional

from .ground import USERS, Closures
from .guest import Broken, Guest, NotDone
from .model import AnySight, Fact, Units, fates

RUNNING = "/run/current-system"
BOOTED = "/run/booted-system"
PROFILE = "/nix/var/nix/profiles/system"
# Of ssh that did not get in, and of one that was ended.
NOT_REACHED = (255, 124)
LINKS = {"running": RUNNING, "booted": BOOTED, "profile": PROFILE}

# A glob that nothing else is done to; a dangling link is a file, too.
GLOB = 'IFS=; for f in $1; do if [ -e "$f" ] || [ -L "$f" ]; then exit 0; fi; done; exit 1'
HTTP = "curl -s --max-time 5 -w '\\n%{http_code}' -- \"$1\""
JOURNAL = (
    'journalctl -q -b -o cat --no-pager ${2:+-u "$2"} ${3:+--after-cursor="$3"} > /run/slipway-journal || exit 9; '
    'grep -q -F -- "$1" /run/slipway-journal'
)
# The pattern goes through a file, since it would find the shell that asks.
PROCESS = 'pgrep -f -- "$(cat /run/slipway-pattern)" > /dev/null'
UNITS = "systemctl show --property=Id,LoadState,ActiveState,InvocationID,StateChangeTimestampMonotonic -- \"$@\""


class Finding(NamedTuple):
    holds: bool
    expected: str
    found: str


class Look:
    """Whoever looks at one machine."""

    def __init__(self, guest: Guest, controller: Guest, closures: Closures) -> None:
        self.guest = guest
        self.controller = controller
        self.closures = closures

    def at(self, facts: List[Fact]) -> List[Finding]:
        """All facts; reachability takes a second, and is asked only if all else holds."""
        quick = [self.one(fact) for fact in facts if "reachable" not in fact]
        if not all(finding.holds for finding in quick):
            return quick
        return quick + [self.one(fact) for fact in facts if "reachable" in fact]

    def one(self, fact: Fact) -> Finding:
        ((what, wanted),) = fact.items()
        if what == "reachable":
            return plain(what, wanted, self.reachable())
        if what == "failed-units":
            assert isinstance(wanted, list)
            said = self.guest.must("systemctl list-units --state=failed --plain --no-legend --full")
            failed = sorted(line.split()[0] for line in said.splitlines() if line.strip())
            return plain(what, sorted(wanted), failed)
        assert isinstance(wanted, str)
        path = self.boot_default() if what == "boot-default" else self.link(LINKS[what])
        found = path if not path.startswith("/") else self.closures.name(self.guest.name, path)
        holds = path in self.closures.paths(self.guest.name, wanted)
        return Finding(holds, f"{what} = {wanted}", f"{what} = {found}")

    def link(self, link: str) -> str:
        code, said = self.guest.sh('readlink -e "$1"', link)
        return said.strip() if code == 0 else "nothing"

    def boot_default(self) -> str:
        """The toplevel that the loader would start if nobody chose."""
        entries = json.loads(self.guest.must("bootctl list --json=short 2>/dev/null"))
        entry = next((entry for entry in entries if entry.get("isDefault")), None)
        if entry is None:
            return "no entry at all"
        options = (entry.get("options") or "").split()
        init = next((word[5:] for word in reversed(options) if word.startswith("init=")), None)
        if init is None or not init.endswith("/init"):
            return f"the entry {entry.get('id')}, which names no generation"
        folder: str = init[: -len("/init")]
        if self.closures.name(self.guest.name, folder).startswith("an unknown"):
            # A tree of links around the toplevel, perhaps.
            real = self.link(init)
            if real.endswith("/init"):
                return real[: -len("/init")]
        return folder

    def reachable(self) -> bool:
        """Whether ssh gets in; a key that has one command only does not run this one."""
        code, _ = self.controller.sh(
            'timeout 20 ssh -oBatchMode=yes -oConnectTimeout=5 "$1@$2" true </dev/null 2>/dev/null',
            USERS[0],
            self.guest.name,
        )
        return code not in NOT_REACHED


def plain(what: str, wanted: object, found: object) -> Finding:
    return Finding(wanted == found, f"{what} = {json.dumps(wanted)}", f"{what} = {json.dumps(found)}")


def is_there(look: Look, sight: AnySight, cursor: Optional[str] = None) -> bool:
    """Whether a point is reached now."""
    guest, fill = look.guest, look.closures.fill
    if "port" in sight:
        return listens(guest.must("cat /proc/net/tcp /proc/net/tcp6"), sight["port"])
    if "file" in sight:
        return guest.sh(GLOB, fill(sight["file"]))[0] == 0
    if "no-file" in sight:
        # Any other code is of a look that failed.
        return guest.sh(GLOB, fill(sight["no-file"]))[0] == 1
    if "http" in sight:
        http = sight["http"]
        code, said = guest.sh(HTTP, fill(http["url"]))
        body, _, status = said.strip().rpartition("\n")
        text = http["text"]
        return code == 0 and status == str(http["status"]) and (text is None or fill(text) in body)
    if "process" in sight:
        pattern(guest, fill(sight["process"]))
        return guest.sh(PROCESS)[0] == 0
    if "unit" in sight:
        return guest.sh('systemctl is-active --quiet "$1"', sight["unit"])[0] == 0
    if "journal" in sight:
        journal = sight["journal"]
        code, _ = guest.sh(JOURNAL, fill(journal["text"]), journal["unit"] or "", cursor or "")
        if cursor is not None and code not in (0, 1):
            raise Broken(f"the journal of {guest.name} cannot be read: exit code {code}")
        return code == 0
    for what in ("running", "profile", "boot-default"):
        if what in sight:
            wanted: str = sight[what]
            return look.one({what: wanted}).holds
    raise ValueError(f"no such point: {sight}")


def pattern(guest: Guest, text: str) -> None:
    guest.must('printf %s "$1" > /run/slipway-pattern', text)


def cursor(guest: Guest) -> str:
    """Where the journal stands."""
    for line in guest.must("journalctl -q -b -n 1 -o cat --show-cursor").splitlines():
        if line.startswith("-- cursor: "):
            return line[len("-- cursor: ") :]
    raise NotDone("a cursor of the journal", "none", guest.name)


def listens(table: str, port: int) -> bool:
    """Whether a table of the kernel's has a listening socket at this port."""
    rows = [line.split() for line in table.splitlines()]
    return any(len(row) > 3 and row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def words(sight: AnySight) -> str:
    """A point in the words of its file."""
    ((kind, value),) = sight.items()
    if kind == "journal":
        of = f" of {sight['journal']['unit']}" if sight["journal"]["unit"] else ""
        return f"`{sight['journal']['text']}` in the journal{of}"
    if kind == "http":
        text = f" with `{sight['http']['text']}`" if sight["http"]["text"] is not None else ""
        return f"{sight['http']['status']} from {sight['http']['url']}{text}"
    said = {
        "port": "a listener on port {}",
        "file": "the file {}",
        "no-file": "no file {}",
        "process": "a process `{}`",
        "unit": "{} active",
    }
    return said.get(kind, f"{kind} = {{}}").format(value)


# By unit: whether it is active, its invocation, when its state last changed, whether there is one.
Seen = Dict[str, List[str]]


def units(guest: Guest, spoken_of: Units) -> Seen:
    """The units that are spoken of, as systemd sees them now; an alias comes back in the order of the question."""
    names = [unit for unit, _ in fates(spoken_of)]
    blocks = guest.must(UNITS, *names).strip().split("\n\n")
    seen = {}
    for name, block in zip(names, blocks):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        active = values.get("ActiveState") in ("active", "reloading")
        seen[name] = [
            "active" if active else "",
            values.get("InvocationID", ""),
            values.get("StateChangeTimestampMonotonic", ""),
            "" if values.get("LoadState") == "not-found" else "exists",
        ]
    return seen


def fate(before: List[str], after: List[str]) -> str:
    """What became of a unit between two looks."""
    again = before[1] != after[1] and after[1] != ""
    if before[0] and after[0]:
        return "restarted" if again else "reloaded" if before[2] != after[2] else "untouched"
    if before[0] or after[0]:
        return "stopped" if before[0] else "started"
    # It ran and is done.
    return "started" if again else "untouched"


def is_nowhere(before: List[str], after: List[str]) -> bool:
    """Whether neither look found such a unit."""
    return not before[3] and not after[3]
