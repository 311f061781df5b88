"""Brings the machines of a play up: the play's keys, made now and trusted by nobody else, and the controller's folder
with a flake for each name of a generation."""

import json
from typing import Dict, List

from .ground import USERS, Closures, Ground
from .guest import Guest, Time
from .look import Look
from .model import CONTROLLER, Json, Play

# Where commands on the controller run.
FOLDER = "/root/play"
SIGNING_KEY = "/root/signing-key"
SIGNER_KEY = "/root/signer-key"

# Pure evaluation may read what lies beside it, and deploy-rs asks for the closures by name.
FLAKE = """{
  outputs = _: {
    deploy.nodes = builtins.fromJSON (builtins.readFile ./nodes.json);
  };
}
"""

WRITE = 'mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1"'
KEYS = f"""set -eu
umask 077
mkdir -p /root/.ssh {FOLDER}
[ -e /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -C play -f /root/.ssh/id_ed25519
nix-store --generate-binary-cache-key play-1 {SIGNING_KEY} {SIGNING_KEY}.public
[ -e {SIGNER_KEY} ] || ssh-keygen -q -t ed25519 -N '' -C play -f {SIGNER_KEY}
"""
# Whoever takes no key on trust knows the machine by its name.
KNOWN = 'printf "%s %s\\n" "$1" "$2" >> /root/.ssh/known_hosts'
# What came with the image has no signatures, and later deployments would leave it so: it is signed once, by a key that
# is gone afterwards.
TRUST = """set -eu
cd /etc
mkdir -p slipway-test/authorized_keys
cd slipway-test
for user in $4; do printf '%s\\n' "$1" > "authorized_keys/$user"; done
printf 'extra-trusted-public-keys = %s\\n' "$2" > nix.conf
printf '%s\\n' "$2" > trusted-keys
printf 'play namespaces="slipway-release@v1" %s\\n' "$3" > allowed_signers
secret=$(mktemp)
nix-store --generate-binary-cache-key installation-1 "$secret" installed-key
nix --extra-experimental-features nix-command store sign --all --key-file "$secret"
rm "$secret"
systemctl restart nix-daemon.service
"""
UP = 300.0


class Stage:
    """The machines of a play, up."""

    def __init__(self, play: Play, ground: Ground, guests: Dict[str, Guest], clock: Time) -> None:
        self.play = play
        self.guests = guests
        self.clock = clock
        self.closures = Closures(ground, play)
        self.ground = ground

    def machine(self, name: str) -> Guest:
        return self.guests[name]

    @property
    def controller(self) -> Guest:
        return self.guests[CONTROLLER]

    def look(self, name: str) -> Look:
        return Look(self.guests[name], self.controller, self.closures)

    def hosts(self) -> List[str]:
        return [name for name, machine in self.play["machines"].items() if machine != "helper"]

    def set_up(self) -> None:
        for guest in self.guests.values():
            guest.start()
        for guest in self.guests.values():
            guest.settled(UP, self.clock)
        self.register()
        self.controller.must(KEYS)
        ssh = self.controller.must("cat /root/.ssh/id_ed25519.pub").strip()
        nix = self.controller.must(f"cat {SIGNING_KEY}.public").strip()
        signer = self.controller.must(f"cat {SIGNER_KEY}.pub").strip()
        for name in self.hosts():
            key = self.machine(name).must("cat /etc/ssh/ssh_host_ed25519_key.pub").strip()
            self.controller.must(KNOWN, name, key)
            self.machine(name).must(TRUST, ssh, nix, signer, " ".join(USERS), within=300)
            # What was only there to make the disk larger.
            self.machine(name).must('nix-store --delete "$1"', self.ground["room"], within=120)
        for file, text in {**files(self.closures), **self.ground["files"]}.items():
            self.controller.must(WRITE, f"{FOLDER}/{file}", text)

    def register(self) -> None:
        """The controller's store has the closures and does not know them: deploy-rs asks which derivation a path is
        of, and that is what the registrations that Nix writes for images leave out."""
        derivers = {
            built["out"]: built["drv"]
            for closures in self.ground["closures"].values()
            for closure in closures.values()
            for built in (closure["host"]["toplevel"], closure["host"]["profile"])
        }
        text = self.controller.must('cat "$1"', self.ground["registration"])
        known = with_derivers(text, derivers)
        self.controller.must(WRITE, "/run/registration", known)
        self.controller.must("nix-store --load-db < /run/registration", within=300)


def with_derivers(registration: str, derivers: Dict[str, str]) -> str:
    """A registration for `nix-store --load-db` (path, hash, size, deriver, number of references, references) with the
    derivers put in."""
    lines = registration.splitlines()
    at = 0
    while at < len(lines):
        path, references = lines[at], int(lines[at + 4])
        lines[at + 3] = derivers.get(path, lines[at + 3])
        at += 5 + references
    return "".join(f"{line}\n" for line in lines)


def files(closures: Closures) -> Dict[str, str]:
    """What lies in the controller's folder: for each name of a generation a flake, whose deploy-rs nodes are the
    machines that have such a generation."""
    nodes: Dict[str, Dict[str, Json]] = {}
    written: Dict[str, str] = {}
    for machine, generations in closures.by_machine.items():
        for generation, closure in generations.items():
            written[f"{generation}/{machine}"] = f"{closure['toplevel']}\n{closure['profile']}\n"
            written[f"{generation}/{machine}.json"] = json.dumps(closure["host"])
            node = closure["host"]["inventory"]["node"]
            if not isinstance(node, dict):
                continue
            profile: Json = {"user": node.get("user", "root"), "path": closure["profile"]}
            nodes.setdefault(generation, {})[machine] = {
                **node,
                "hostname": machine,
                "profiles": {"system": profile},
            }
    for generation, machines in nodes.items():
        written[f"{generation}/flake.nix"] = FLAKE
        written[f"{generation}/nodes.json"] = json.dumps(machines)
    return written
