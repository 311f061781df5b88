"""Faults inside of running commands, controls, and what the end of a play means."""

from typing import Dict, List, Optional

import pytest

from fake import GROUND, Job, World, play, play_of, playing, run, step
from player.guest import Broken
from player.model import Control, Expect, Play, Point, Step, Verb
from player.play import PlayFailed
from player.resolve import plays

CUT: Verb = {"power-cut": "Niko"}


def during(when: Point, before: Optional[Point] = None, then: Optional[List[Step]] = None) -> Verb:
    steps = then if then is not None else [step(CUT, "the power is cut")]
    return run(expect_any(), during={"when": when, "before": before, "then": steps}, expect=ANY)


def expect_any() -> str:
    return "deploy ./good#Niko"


ANY: Expect = {"exit": "any", "output": [], "output-lacks": [], "stdout": None, "json": {}, "units": {}}
FILE: Point = {"seen": {"on": "Niko", "sight": {"file": "/run/activating"}}}
RUNNING: Point = {"seen": {"on": "Niko", "sight": {"running": "good"}}}


@pytest.fixture
def world() -> World:
    world = World()
    world.jobs = [Job(1, looks=50)]
    return world


def there_after(world: World, looks: int) -> None:
    answers = [1] * looks
    world.replies.append(
        lambda machine, script, arguments: (answers.pop() if answers else 0, "") if "/run/activating" in arguments else None
    )


def test_a_fault_falls_when_its_point_is_reached(world: World) -> None:
    there_after(world, 3)
    play(world, during(FILE))
    assert world.scripts("Niko")[-1] == "crash"
    assert len([script for script in world.scripts("Niko") if "/run/activating" in script]) == 4
    assert "subtest: the power is cut" in world.said
    assert any("point reached at" in line for line in world.said)


@pytest.mark.parametrize("point", [{"output": "copying"}, {"after": 2}])
def test_points_of_the_command_itself(world: World, point: Point) -> None:
    world.jobs = [Job(1, stdout="copying path", looks=10**6)]
    then = [step(CUT, "the power is cut"), step(run(), "something else")]
    with pytest.raises(PlayFailed, match="an end within"):
        play(world, during(point, None, then))
    assert world.machines["Niko"].started is False


def test_a_command_that_ends_before_its_point_fails(world: World) -> None:
    there_after(world, 10**6)
    with pytest.raises(PlayFailed, match="the file /run/activating while the command runs; found the command ended"):
        play(world, during(FILE))


def test_a_command_that_gets_no_further_fails(world: World) -> None:
    there_after(world, 10**6)
    world.jobs = [Job(looks=10**6)]
    with pytest.raises(PlayFailed, match="got no further in its time"):
        play(world, during(FILE))


def test_a_fault_inside_of_its_phase(world: World) -> None:
    world.reply("/run/current-system", (0, "/nix/store/t0\n"))
    play(world, during(FILE, RUNNING))
    assert any("not yet over at" in line for line in world.said)


def test_a_fault_that_falls_too_late_fails(world: World) -> None:
    world.reply("/run/current-system", (0, "/nix/store/t1\n"))
    with pytest.raises(PlayFailed, match="the fault to fall before running = good"):
        play(world, during(FILE, RUNNING))


def test_a_fault_that_takes_too_long_to_fall_is_not_shown_to_be_inside(world: World) -> None:
    links = iter(["/nix/store/t0"] + ["/nix/store/t1"] * 9)
    world.replies.append(
        lambda machine, script, arguments: (0, next(links)) if arguments == ["/run/current-system"] else None
    )
    slow: Step = step({"wait": {"seen": {"on": "Niko", "sight": {"unit": "slow.service"}}}}, "it takes its time")
    active = [3] * 4
    world.replies.append(
        lambda machine, script, arguments: (active.pop() if active else 0, "") if "is-active" in script else None
    )
    world.jobs = [Job(1, looks=10**6)]
    with pytest.raises(PlayFailed, match="seen to be over at"):
        play(world, during(FILE, RUNNING, [slow, step({"network": {"on": "Niko", "condition": "unplugged"}}, "it is unplugged")]))


def test_a_journal_that_cannot_be_read_is_no_line_that_is_not_there(world: World) -> None:
    journal: Point = {"seen": {"on": "Niko", "sight": {"journal": {"text": "it ends", "unit": None}}}}
    world.reply("show-cursor", (0, "-- cursor: c\n"))
    world.reply("--after-cursor", (9, ""))
    with pytest.raises(Broken, match="the journal of Niko cannot be read"):
        play(world, during(FILE, journal))


def test_a_failing_step_of_a_fault_fails_the_command(world: World) -> None:
    with pytest.raises(PlayFailed, match="`step 1` failed: .*not frozen"):
        play(world, during(FILE, None, [step({"thaw": "Niko"}, "it thaws")]))


# --- controls


def control(fails_at: str, **changes: object) -> Control:
    made: Control = {"number": 1, "title": "c", "leave-out": [], "swap": {}, "fails-at": fails_at}
    made.update(changes)  # type: ignore[typeddict-item]
    return made


def controlled(made: Control, *steps: Step) -> Play:
    return {**play_of(*steps), "control": made}


def test_a_control_passes_only_by_failing_where_it_should(world: World) -> None:
    steps = [step(run(), "first"), step(run(), "second: inner")]
    world.jobs = [Job(0), Job(1)]
    playing(world, controlled(control("second"), *steps)).play()
    world = World()
    world.jobs = [Job(1)]
    with pytest.raises(PlayFailed, match="was to fail at `second`, and failed at `first`"):
        playing(world, controlled(control("second"), *steps)).play()
    with pytest.raises(PlayFailed, match="nothing failed: the scenario passes for a wrong reason"):
        playing(World(), controlled(control("second"), *steps)).play()


def test_a_swap_means_the_other_closure_everywhere(world: World) -> None:
    made = playing(world, controlled(control("x", swap={"good": "bad"}), step(run(), "x")))
    closures = made.stage.closures
    assert closures.fill("{{Niko.good}} {{Niko.bad}} {{Niko.as-configured.profile}}") == (
        "/nix/store/t2 /nix/store/t2 /nix/store/p0"
    )
    assert closures.name("Niko", "/nix/store/t2") == "good or bad"
    assert GROUND["closures"]["Niko"]["good"]["toplevel"] == "/nix/store/t1"


def test_a_placeholder_that_nobody_knows_is_an_error(world: World) -> None:
    with pytest.raises(ValueError, match="Niko.gone"):
        play(world, run("{{Niko.gone}}"))


# --- from file to play


def test_blocks_cells_and_controls() -> None:
    tree = {
        "title": "{{host}}",
        "proves": "p",
        "each": "hosts",
        "machines": {"machine": {"host": "{{host}}"}},
        "steps": [{"name": "up", "play": "b"}, {"name": "late", "run": "true {{host}} {{machine.address}}"}],
        "blocks": {"b": [{"power-cut": "machine"}, {"name": "n", "power-on": "machine"}]},
        "controls": [{"title": "c", "cell": "B", "leave-out": ["up"], "fails-at": "late"}],
    }
    made = plays("boot", tree, ["A", "B"])
    assert [play["name"] for play in made] == ["boot-A", "boot-B", "boot-B-control-1"]
    assert [step["name"] for step in made[0]["steps"]] == ["up: power-cut machine", "up: n", "late"]
    assert [step["name"] for step in made[2]["steps"]] == ["late"]
    assert made[1]["steps"][2]["verb"]["run"]["command"] == "true B {{machine.address}}"


def test_what_boots_or_fills_a_disk_has_its_time() -> None:
    steps: List[Dict[str, object]] = [{"reboot": "Niko"}, {"power-on": "Niko"}, {"disk": "full"}, {"clock": 1}, {"reboot": "Niko", "within": 40}]
    named = [{**table, "name": str(number)} for number, table in enumerate(steps)]
    (made,) = plays("x", {"title": "t", "proves": "p", "machines": {"Niko": {}}, "steps": named}, [])
    assert [step["within"] for step in made["steps"]] == [300, 200, 300, 60, 40]


def test_a_change_of_an_expectation_is_a_change_of_the_play() -> None:
    tree = {
        "title": "t",
        "proves": "p",
        "machines": {"Niko": {}},
        "steps": [{"name": "s", "run": "true", "expect": {"exit": 0}}],
    }
    other = {**tree, "steps": [{"name": "s", "run": "true", "expect": {"exit": 1}}]}
    assert plays("x", tree, ["Niko"]) != plays("x", other, ["Niko"])


def test_a_step_without_a_verb_is_refused() -> None:
    with pytest.raises(ValueError):
        plays("x", {"title": "t", "proves": "p", "machines": {}, "steps": [{"name": "s", "explode": "x"}]}, [])
