"""Each verb does what it says to the driver's machines, and each expectation is seen to fail."""

import json
from typing import List, Optional

import pytest

from fake import NOTHING, Answer, Job, World, play, play_of, playing, run, stage_of, step
from player.model import AnySight, Expect, Fact, Verb
from player.play import PlayFailed
from player.stage import files, with_derivers


@pytest.fixture
def world() -> World:
    return World()


def expecting(**changes: object) -> Expect:
    made = dict(NOTHING)
    made.update({key.replace("_", "-"): value for key, value in changes.items()})
    return made  # type: ignore[return-value]


def on(machine: str, user: str = "root") -> object:
    return {"user": {"machine": machine, "user": user}}


# --- run


def test_a_command_runs_on_the_controller_with_the_plays_key(world: World) -> None:
    play(world, run("deploy ./good#Niko"))
    start = next(script for script in world.scripts("controller") if "setsid" in script)
    assert start.endswith("/run/slipway-play/1 root export LOCAL_KEY=/root/signing-key RELEASE_KEY=/root/signer-key\ndeploy ./good#Niko /root/play")


def test_a_command_runs_on_a_machine_as_a_user_with_its_placeholders_filled(world: World) -> None:
    play(world, run("ls {{Niko.good}} {{Niko.good.profile}} {{controller.address}}", by=on("Niko", "deploy")))
    start = next(script for script in world.scripts("Niko") if "setsid" in script)
    assert start.endswith("/run/slipway-play/1 deploy ls /nix/store/t1 /nix/store/p1 192.168.0.240 /")


@pytest.mark.parametrize(
    "expect, job, expected",
    [
        (expecting(), Job(4), "exit code 0"),
        (expecting(exit={"codes": [0, 4]}), Job(5), "exit code 0 or 4"),
        (expecting(exit="failure"), Job(0), "failure"),
        (expecting(exit="failure"), Job(137), "failure"),
        (expecting(exit="failure"), Job(None), "failure"),
        (expecting(output=["both"]), Job(0, "out", "err"), "output with `both`"),
        (expecting(output_lacks=["err"]), Job(0, "out", "an err"), "output without `err`"),
        (expecting(stdout="one\ntwo"), Job(0, "one\n"), "stdout `one\ntwo`"),
        (expecting(json={"/a": 1}), Job(0, "no json"), "a JSON document"),
        (expecting(json={"/a/0": 1}), Job(0, '{"a": [2]}'), "1 at /a/0"),
        (expecting(json={"/a": 1}), Job(0, '{"a": true}'), "1 at /a"),
        (expecting(json={"/b": 1}), Job(0, '{"a": 1}'), "1 at /b"),
    ],
)
def test_what_is_not_as_expected_fails(world: World, expect: Expect, job: Job, expected: str) -> None:
    world.jobs = [job]
    with pytest.raises(PlayFailed, match="step 1") as failed:
        play(world, run(expect=expect))
    assert f"expected {expected}" in str(failed.value)


@pytest.mark.parametrize(
    "expect, job",
    [
        (expecting(exit={"codes": [0, 4]}), Job(4)),
        (expecting(exit="failure"), Job(255)),
        (expecting(exit="any"), Job(None)),
        (expecting(output=["out", "err"], output_lacks=["other"]), Job(0, "out", "err")),
        (expecting(stdout="one\ntwo"), Job(0, "one\ntwo\n", "noise")),
        (expecting(json={"/a~1b/0": 1, "": {"a/b": [1.0]}}), Job(0, '{"a/b": [1]}')),
        (expecting(output=["{{Niko.good}}"]), Job(0, "/nix/store/t1")),
    ],
)
def test_what_is_as_expected_passes(world: World, expect: Expect, job: Job) -> None:
    world.jobs = [job]
    play(world, run(expect=expect))


def test_a_command_that_takes_too_long_is_ended(world: World) -> None:
    world.jobs = [Job(looks=10**6, stdout="half of it")]
    with pytest.raises(PlayFailed, match="an end within 10 s; found it still ran(.|\n)*half of it"):
        play(world, run())
    assert any("kill -KILL" in script for script in world.scripts("controller"))


def unit(active: str, invocation: str, changed: str) -> str:
    return f"Id=a.service\nActiveState={active}\nInvocationID={invocation}\nStateChangeTimestampMonotonic={changed}\n"


@pytest.mark.parametrize(
    "fate, after",
    [
        ("restarted", unit("active", "2", "20")),
        ("reloaded", unit("active", "1", "20")),
        ("stopped", unit("inactive", "1", "20")),
        ("untouched", unit("active", "1", "10")),
    ],
)
def test_the_fate_of_units_is_told_from_every_other(world: World, fate: str, after: str) -> None:
    fates = ["restarted", "reloaded", "started", "stopped", "untouched"]
    for wanted in fates:
        answers = [(0, unit("active", "1", "10")), (0, after)]
        fresh = World()
        fresh.replies.append(lambda machine, script, _: answers.pop(0) if "StateChange" in script else None)
        units = {name: ["a.service"] if name == wanted else [] for name in fates}
        verb = run(expect=expecting(units={"Niko": units}))
        if wanted == fate:
            play(fresh, verb)
        else:
            with pytest.raises(PlayFailed, match=f"expected a.service {wanted}; found a.service {fate}"):
                play(fresh, verb)


def missing(machine: object, script: str, arguments: object) -> Optional[Answer]:
    return (0, "Id=a.service\nLoadState=not-found\nActiveState=inactive\n") if "StateChange" in script else None


def with_units(**fates: List[str]) -> Verb:
    units = {fate: fates.get(fate, []) for fate in ("restarted", "reloaded", "started", "stopped", "untouched")}
    return run(expect=expecting(units={"Niko": units}))


@pytest.mark.parametrize("fate", ["untouched", "started"])
def test_a_unit_that_does_not_exist_is_no_unit_that_is_left_alone(world: World, fate: str) -> None:
    world.replies.append(missing)
    with pytest.raises(PlayFailed, match=f"expected a.service {fate}; found no such unit"):
        play(world, with_units(**{fate: ["a.service"]}))


def test_a_unit_that_comes_in_another_step_may_not_be_there_yet(world: World) -> None:
    answers = ["not-found", "not-found", "not-found", "loaded\nActiveState=active\nInvocationID=1"]
    world.replies.append(
        lambda machine, script, _: (0, f"LoadState={answers.pop(0)}\n") if "StateChange" in script else None
    )
    play(world, with_units(untouched=["a.service"]), with_units(started=["a.service"]))


# --- wait


def waits(sight: object) -> Verb:
    return {"wait": {"seen": {"on": "Niko", "sight": sight}}}  # type: ignore[typeddict-item]


TABLE = "  sl  local_address rem_address   st\n   0: 00000000:0016 00000000:0000 0A 0\n   1: 0A:0050 02:C350 01 0\n"


@pytest.mark.parametrize(
    "sight, contains, yes, no",
    [
        ({"port": 22}, "/proc/net/tcp", (0, TABLE), (0, "")),
        ({"port": 80}, "/proc/net/tcp", (0, TABLE.replace("01 0", "0A 0")), (0, TABLE)),
        ({"file": "/x*"}, 'for f in $1', (0, ""), (1, "")),
        ({"no-file": "/x*"}, 'for f in $1', (1, ""), (0, "")),
        ({"http": {"url": "u", "status": 200, "text": "hi"}}, "curl", (0, "hi\n200"), (0, "ho\n200")),
        ({"http": {"url": "u", "status": 404, "text": None}}, "curl", (0, "\n404"), (7, "\n000")),
        ({"process": "sshd"}, "pgrep", (0, ""), (1, "")),
        ({"unit": "a.service"}, "is-active", (0, ""), (3, "")),
        ({"journal": {"text": "t", "unit": "a.service"}}, "journalctl", (0, ""), (1, "")),
        ({"running": "good"}, "/run/current-system", (0, "/nix/store/t1\n"), (0, "/nix/store/t0\n")),
        ({"profile": "good"}, "profiles/system", (0, "/nix/store/p1\n"), (1, "")),
    ],
)
def test_a_point_is_waited_for(world: World, sight: AnySight, contains: str, yes: Answer, no: Answer) -> None:
    answers = [no, no, yes]
    world.replies.append(
        lambda machine, script, arguments: answers.pop(0) if contains in " ".join([script, *arguments]) else None
    )
    play(world, waits(sight))
    assert answers == []
    never = World()
    never.reply(contains, no)
    with pytest.raises(PlayFailed, match="within 10 s; found it was"):
        play(never, waits(sight))


def test_a_file_is_only_gone_if_it_was_looked_for(world: World) -> None:
    world.reply("for f in $1", (124, ""))
    with pytest.raises(PlayFailed, match="it was there all the time"):
        play(world, waits({"no-file": "/x*"}))


def test_a_page_that_did_not_come_is_named_with_the_text_that_was_wanted(world: World) -> None:
    world.reply("curl", (0, "ho\n200"))
    play(world, waits({"http": {"url": "u", "status": 200, "text": "hi"}}), fails="200 from u with `hi`")


def test_a_pattern_is_never_on_the_command_line_of_the_shell_that_looks(world: World) -> None:
    play(world, waits({"process": "PATTERN"}), {"kill": {"on": "Niko", "pattern": "PATTERN", "signal": "TERM"}})
    for script in world.scripts("Niko"):
        assert "PATTERN" not in script or "slipway-pattern" in script and "pgrep" not in script and "pkill" not in script


# --- state


def state(*facts: Fact) -> Verb:
    return {"state": {"Niko": list(facts)}}


def entries(init: str) -> str:
    return json.dumps([{"id": "a", "options": "init=/x/init"}, {"id": "b", "isDefault": True, "options": f"quiet init={init}"}])


@pytest.mark.parametrize(
    "fact, contains, answer, found",
    [
        ({"running": "good"}, "/run/current-system", (0, "/nix/store/t2\n"), "running = bad"),
        ({"booted": "good"}, "/run/booted-system", (0, "/nix/store/t0\n"), "booted = as-configured"),
        ({"profile": "good"}, "profiles/system", (0, "/nix/store/x\n"), "profile = an unknown closure /nix/store/x"),
        ({"boot-default": "good"}, "bootctl", (0, entries("/nix/store/t2/init")), "boot-default = bad"),
        ({"boot-default": "good"}, "bootctl", (0, "[]"), "boot-default = no entry at all"),
        ({"failed-units": []}, "--state=failed", (0, "b.service loaded\na.service loaded\n"), '"a.service", "b.service"'),
        ({"reachable": True}, "ssh -o", (255, ""), "reachable = false"),
        ({"reachable": False}, "ssh -o", (0, ""), "reachable = true"),
    ],
)
def test_a_state_that_is_another_fails(world: World, fact: Fact, contains: str, answer: Answer, found: str) -> None:
    world.reply(contains, answer)
    with pytest.raises(PlayFailed) as failed:
        play(world, state(fact))
    assert found in str(failed.value)


def test_a_state_is_asked_for_until_it_holds(world: World) -> None:
    links = iter(["/nix/store/t0", "/nix/store/t0", "/nix/store/t1"])
    world.replies.append(
        lambda machine, script, arguments: (0, next(links)) if arguments == ["/run/current-system"] else None
    )
    world.reply("bootctl", (0, entries("/nix/store/p1/init")))
    world.reply("--state=failed", (0, ""))
    play(world, state({"running": "good"}, {"boot-default": "good"}, {"failed-units": []}, {"reachable": True}))
    assert [script for script in world.scripts("controller") if "ssh" in script] != []


def test_a_machine_that_is_off_has_no_state(world: World) -> None:
    with pytest.raises(PlayFailed, match="`step 2` failed: expected an answer; found Niko is off"):
        play(world, {"power-cut": "Niko"}, state({"running": "good"}))


# --- faults


def test_power_and_time_are_the_drivers(world: World) -> None:
    play(
        world,
        {"freeze": "Niko"},
        {"thaw": "Niko"},
        {"power-cut": "Niko"},
        {"power-on": "Niko"},
        {"reboot": "Niko"},
        {"clock": {"on": "Niko", "seconds": -5}},
    )
    told = [script for script in world.scripts("Niko") if "is-system-running" not in script]
    assert told[:5] == ["monitor stop", "monitor cont", "crash", "start", "reboot"]
    assert "date -s" in told[5] and told[5].endswith("-5")


@pytest.mark.parametrize(
    "verbs, found",
    [
        ([{"power-cut": "Niko"}, {"power-cut": "Niko"}], "off already"),
        ([{"thaw": "Niko"}], "not frozen"),
        ([{"freeze": "Niko"}, {"reboot": "Niko"}], "Niko is frozen"),
        ([{"power-cut": "Niko"}, {"freeze": "Niko"}], "Niko is off"),
        ([{"power-cut": "Niko"}, {"network": {"on": "Niko", "condition": "cut"}}], "Niko is off"),
    ],
)
def test_what_cannot_be_done_to_a_machine_fails(world: World, verbs: List[Verb], found: str) -> None:
    with pytest.raises(PlayFailed, match=found):
        play(world, *verbs)


def test_a_machine_that_does_not_come_up_fails(world: World) -> None:
    world.reply("is-system-running", (0, "starting\n"), on="Niko")
    with pytest.raises(PlayFailed, match="the end of its boot within 10 s; found it is starting"):
        play(world, {"reboot": "Niko"})


def slow(world: World, contains: str, seconds: float) -> None:
    """It takes so long on the machine."""

    def reply(machine: object, script: str, arguments: List[str]) -> Optional[Answer]:
        if contains in script:
            world.time.sleep(seconds)
        return None

    world.replies.append(reply)


@pytest.mark.parametrize(
    "verb, contains",
    [
        ({"reboot": "Niko"}, "is-system-running"),
        ({"disk": {"on": "Niko", "at": "/", "condition": "freed"}}, "rm -f"),
        ({"clock": {"on": "Niko", "seconds": 5}}, "date -s"),
        ({"kill": {"on": "Niko", "pattern": "httpd", "signal": "KILL"}}, "pkill"),
        ({"network": {"on": "Niko", "condition": "cut"}}, "nft"),
    ],
)
def test_what_takes_longer_than_it_may_fails(verb: Verb, contains: str) -> None:
    late = World()
    slow(late, contains, 11.0)
    with pytest.raises(PlayFailed, match="within 10 s"):
        play(late, verb)
    in_time = World()
    slow(in_time, contains, 9.0)
    play(in_time, verb)


def test_a_disk_is_given_the_time_that_the_step_says(world: World) -> None:
    given: List[Optional[int]] = []
    machine = world.machines["Niko"]
    execute = machine.execute

    def seen(command: str, check_return: bool = True, check_output: bool = True, timeout: Optional[int] = 900) -> Answer:
        given.append(timeout)
        return execute(command, check_return, check_output, timeout)

    machine.execute = seen  # type: ignore[method-assign]
    play(world, {"disk": {"on": "Niko", "at": "/", "condition": "freed"}}, within=77)
    assert given == [77]


def network(condition: object) -> Verb:
    return {"network": {"on": "Niko", "condition": condition}}  # type: ignore[typeddict-item]


def test_networks_and_disks(world: World) -> None:
    play(world, network("unplugged"), network("cut"), network("restored"))
    told = world.scripts("Niko")
    assert told[0] == "block"
    assert 'hook ingress device "eth1"' in told[1]
    assert told[2] == "unblock" and "delete table netdev slipway-test" in told[3]
    with pytest.raises(ValueError, match="capabilities"):
        play(world, network({"shaped": {"delay-ms": 1, "loss": 0.0, "bytes-per-second": None}}))
    disk = World()
    for condition, contains in (
        ("full", "fallocate"),
        ("freed", "rm -f"),
        ("read-only", "sysrq-trigger"),
        ("writable", "remount,rw"),
    ):
        play(disk, {"disk": {"on": "Niko", "at": "/", "condition": condition}})  # type: ignore[typeddict-item]
        assert contains in disk.scripts("Niko")[0]
        disk.told.clear()
    disk.reply("fallocate", (1, "no"))
    with pytest.raises(PlayFailed, match="to succeed; found exit code 1"):
        play(disk, {"disk": {"on": "Niko", "at": "/", "condition": "full"}})


def test_killing_nobody_fails(world: World) -> None:
    for machine, script in (("controller", "killed=1"), ("Niko", "pkill")):
        world.reply(script, (1, ""))
        with pytest.raises(PlayFailed, match="no process `httpd` to kill"):
            play(world, {"kill": {"on": machine, "pattern": "httpd", "signal": "KILL"}})


def test_on_the_controller_only_what_a_step_started_is_killed(world: World) -> None:
    play(world, {"kill": {"on": "controller", "pattern": "nix", "signal": "KILL"}})
    kill = next(script for script in world.scripts("controller") if "killed=1" in script)
    assert "SLIPWAY_PLAY=1" in kill and "pkill" not in kill
    play(world, run("deploy ./good#Niko"))
    start = next(script for script in world.scripts("controller") if "setsid" in script)
    assert start.index("export SLIPWAY_PLAY=1") < start.index('sh "$1/command"')


def test_a_verb_that_is_unknown_is_an_error_and_no_verdict(world: World) -> None:
    with pytest.raises(ValueError, match=r"^tests/scenarios/\w+\.toml: .* no verb of explode"):
        play(world, {"explode": "Niko"})  # type: ignore[typeddict-unknown-key]


# --- fails, and the stage


@pytest.mark.parametrize("fails, passes", [("exit code 4", True), ("exit code 0", True), ("timed out", False)])
def test_a_step_that_must_fail_must_say_why(world: World, fails: str, passes: bool) -> None:
    world.jobs = [Job(4)]
    if passes:
        play(world, run(), fails=fails)
    else:
        with pytest.raises(PlayFailed, match="a failure that says `timed out`"):
            play(world, run(), fails=fails)


def test_a_step_that_must_fail_and_does_not(world: World) -> None:
    with pytest.raises(PlayFailed, match="found no failure"):
        play(world, run(), fails="anything")


def test_a_machine_that_does_not_answer_is_not_what_was_meant_by_the_words_of_the_step(world: World) -> None:
    frozen = step({"freeze": "Niko"}, "it freezes")
    asked = step(state({"running": "good"}), "it is asked", fails="an answer")
    with pytest.raises(PlayFailed, match="`it is asked` failed: expected a failure that says `an answer`"):
        playing(world, play_of(frozen, asked)).play()
    play(World(), {"thaw": "Niko"}, fails="Niko is not frozen")


def test_the_stage_is_set_up_with_keys_that_only_the_play_has(world: World) -> None:
    stage = stage_of(world, play_of())
    stage.set_up()
    niko = world.scripts("Niko")
    trust = next(script for script in niko if "authorized_keys" in script)
    assert trust.endswith("ssh-ed25519 KEY play play-1:PUBLIC ssh-ed25519 SIGNER play deploy operator")
    assert any(script.endswith("/nix/store/room") for script in niko)
    controller = world.scripts("controller")
    assert any("nix-store --load-db" in script for script in controller)
    assert any("/root/play/good/nodes.json" in script for script in controller)
    assert any("/root/play/release.sh release\n" in script for script in controller)
    assert any("known_hosts" in script and script.endswith("Niko ssh-ed25519 HOST") for script in controller)


def test_a_generation_of_machines_is_a_flake_of_plain_paths() -> None:
    written = files(stage_of(World(), play_of()).closures)
    assert sorted({file.split("/")[0] for file in written}) == ["as-configured", "bad", "good"]
    node = json.loads(written["good/nodes.json"])["Niko"]
    assert node["hostname"] == "Niko"
    assert node["sshUser"] == "deploy"
    assert node["profiles"] == {"system": {"user": "root", "path": "/nix/store/p1"}}
    assert "storePath" not in written["good/flake.nix"]
    assert written["good/Niko"] == "/nix/store/t1\n/nix/store/p1\n"
    assert json.loads(written["good/Niko.json"])["profile"] == {"drv": "/nix/store/p1.drv", "out": "/nix/store/p1"}


def test_derivers_are_put_into_a_registration() -> None:
    registration = "/a\nhash\n1\n\n2\n/a\n/b\n/b\nhash\n2\n\n0\n"
    assert with_derivers(registration, {"/b": "/b.drv"}) == "/a\nhash\n1\n\n2\n/a\n/b\n/b\nhash\n2\n/b.drv\n0\n"
