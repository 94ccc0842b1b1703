"""Sizes of studies: what each sets, what is refused, and that every size of every shipped study makes sense."""

import pytest

from disbench.bench import BadInput, load_study, sweep
from disbench.bench.cli import main
from disbench.bench.forecast import ASSUMED_RATE
from disbench.bench.queue import flops_an_image
from disbench.bench.report.provenance import as_toml, repeat_command
from disbench.bench.scales import SCALES, changes
from disbench.bench.study_loading import parse_study, shipped_studies, study_document

DOCUMENT = {
    "name": "mine",
    "data_set": "digits",
    "architecture": "small_patch",
    "steps": 1_000,
    "seeds": 5,
    "arms": [{"objective": "beta_vae", "strengths": [1, 2, 4]}, {"objective": "vae", "steps": 2_000}],
    "scales": {
        "smoke": {
            "about": "runs",
            "cost": "seconds",
            "set": {"steps": 3, "seeds": 1, "arms.0.strengths": [4], "evaluation.samples": 50},
        },
        "full": {"about": "all", "cost": "minutes"},
    },
}

SCALED = [name for name in shipped_studies() if "scales" in study_document(name)[0]]


def test_a_size_sets_what_set_would_and_set_comes_on_top():
    """Steps of every arm, one arm's grid, scores; a pair of the command line wins."""
    small = parse_study(DOCUMENT, "mine.toml", {"seeds": 2}, "smoke")
    assert small.scale == "smoke"
    assert [arm.steps for arm in small.arms] == [3, 3]
    assert small.arms[0].strengths == [4]
    assert small.evaluation.samples == 50
    assert small.seeds == 2


def test_arms_of_the_command_line_have_the_steps_of_the_size():
    """They once had the full size's, under the small size's name."""
    whole = load_study("dubois2019", {"arms": [{"objective": "vae"}]}, "reduced")
    assert [arm.steps for arm in whole.arms] == [23_040]


def test_one_data_set_takes_the_place_of_several():
    """`--set data_set=digits` of a study over several: each arm once, on digits."""
    several = {**DOCUMENT, "data_sets": ["dsprites", "digits"]}
    several.pop("data_set", None)
    study = parse_study(several, "mine.toml", {"data_set": "digits"}, "smoke")
    assert [arm.data_set for arm in study.arms] == ["digits", "digits"]


@pytest.mark.parametrize("scale", [None, "full"])
def test_the_file_as_written_is_full(scale):
    """Without `--scale`, and with its full size, which sets nothing."""
    whole = parse_study(DOCUMENT, "mine.toml", None, scale)
    assert whole.scale == "full"
    assert [arm.steps for arm in whole.arms] == [1_000, 2_000]
    assert whole.default_folder().as_posix() == "runs/mine"


def test_a_file_may_say_its_default():
    """`scale = "smoke"` in the file; `--scale` overrules it."""
    assert parse_study({**DOCUMENT, "scale": "smoke"}, "mine.toml").seeds == 1
    assert parse_study({**DOCUMENT, "scale": "smoke"}, "mine.toml", None, "full").seeds == 5


def test_a_study_without_sizes_has_none():
    """As ever: no label, a folder of its name."""
    plain = load_study("quick")
    assert plain.scale is None
    assert plain.default_folder().as_posix() == "runs/quick"


def test_a_small_size_has_a_folder_of_its_own():
    """So that it does not stand in the way of the full one."""
    small = parse_study(DOCUMENT, "mine.toml", None, "smoke")
    assert small.default_folder().as_posix() == "runs/mine-smoke"


def test_a_stored_size_keeps_its_name_and_changes_nothing_more():
    """The study in a folder has lost its sizes: setting a key of it does not make it smaller again."""
    small = parse_study(DOCUMENT, "mine.toml", {"steps": 7}, "smoke")
    again = load_study(small, {"seeds": 9})
    assert (again.scale, again.seeds) == ("smoke", 9)
    assert [arm.steps for arm in again.arms] == [7, 7]


@pytest.mark.parametrize(
    ("document", "scale", "words"),
    [
        (DOCUMENT, "smok", "unknown scale 'smok'; did you mean 'smoke'?"),
        (DOCUMENT, "reduced", "has no scale 'reduced'; it has: smoke, full"),
        ({**DOCUMENT, "scales": {}}, "smoke", "has no scales: its file has no table [scales.smoke]"),
        ({**DOCUMENT, "scales": 3}, None, "scales should be tables like [scales.smoke], got 3"),
        ({**DOCUMENT, "scales": {"tiny": {}}}, None, "scales: unknown scale 'tiny'"),
        ({**DOCUMENT, "scales": {"smoke": {"about": "x"}}}, None, "scales.smoke: cost is missing"),
        (
            {**DOCUMENT, "scales": {"smoke": {"about": "x", "cost": "y", "sett": {}}}},
            None,
            "scales.smoke: unknown key 'sett'; did you mean 'set'?",
        ),
        ({**DOCUMENT, "scale": "huge"}, None, "scale: unknown scale 'huge'"),
    ],
)
def test_wrong_sizes_get_one_clear_line(document, scale, words):
    """What, where, and what would be right."""
    with pytest.raises(BadInput) as caught:
        parse_study(document, "mine.toml", None, scale)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_size_changes_is_told_with_what_was_there():
    """Of the file, of its arms, or the default."""
    assert changes(DOCUMENT, "smoke", "mine.toml") == [
        "steps 3 instead of 1,000 and 2,000",
        "seeds 1 instead of 5",
        "arms.0.strengths 4 instead of 1, 2, 4",
        "evaluation.samples 50 instead of the default",
    ]
    assert changes(DOCUMENT, "full", "mine.toml") == []


def images(study):
    """What all trainings of a study see."""
    a_seed = sum(len(arm.grid()) * arm.steps * arm.batch_size for arm in study.arms)
    return a_seed * len(study.seed_list())


@pytest.mark.parametrize(("name", "scale"), [("quick", None), ("chen2018", "smoke"), ("dubois2019", None)])
def test_the_reports_command_and_file_make_the_same_study(name, scale, tmp_path):
    """A size by its name; and a file with everything in it, published numbers too."""
    one = load_study(name, scale=scale)
    assert repeat_command(one) == f"disbench sweep {name}" + (f" --scale {scale}" if scale else "")
    path = tmp_path / "study.toml"
    path.write_text(as_toml(one), encoding="utf-8")
    assert load_study(path) == one
    assert ("protocol" in path.read_text(encoding="utf-8")) == (name != "quick")


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", SCALED)
def test_every_size_of_every_study(name, scale):
    """Valid, no larger than the full one, with what it is for and what it costs."""
    document, where = study_document(name)
    assert document["scales"][scale]["about"]
    assert "FLOP" in document["scales"][scale]["cost"]
    whole, sized = load_study(name), load_study(name, scale=scale)
    assert sized.scale == scale
    assert images(sized) <= images(whole)
    assert (changes(document, scale, where) == []) == (scale == "full")
    assert {arm.objective for arm in sized.arms} == {arm.objective for arm in whole.arms}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["higgins2017", "burda2016", "burgess2018"])
def test_costs_are_what_the_forecast_counts(name, scale):
    """FLOP of all trainings as `--dry-run` counts them, and the seconds that its assumed rate makes of them."""
    stated = study_document(name)[0]["scales"][scale]["cost"]
    flops = sum(
        flops_an_image(run) * run.steps * run.batch_size for run in load_study(name, scale=scale).runs()
    )
    assert float(stated.split(" FLOP")[0]) == pytest.approx(flops, rel=5e-3)
    amount, unit = stated.split(": ")[1].split()[:2]
    seconds = float(amount) * {"s": 1, "min": 60, "h": 3600, "days": 86_400}[unit]
    assert seconds == pytest.approx(flops / ASSUMED_RATE["cpu"], rel=0.2)
    assert f"{ASSUMED_RATE['cpu'] / 1e12:g} TFLOP/s" in stated


def test_the_papers_studies_have_sizes():
    """All of them, and the older studies none."""
    assert set(SCALED) >= {
        "locatello2019", "chen2018", "kim2018", "kumar2018", "burgess2018", "dubois2019", "higgins2017", "burda2016",
        "kl_decomposition", "regularisation_strength", "cvae",
    }  # fmt: skip
    assert not {"quick", "six_methods", "unsupervised", "likelihood"} & set(SCALED)


def test_the_command_line_says_what_a_size_changes(capsys, tmp_path):
    """On standard error, before anything is trained."""
    command = ["sweep", "burgess2018", "--scale", "smoke", "--dry-run", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    streams = capsys.readouterr()
    assert "scale smoke: seeds 1 instead of 5; steps 100 instead of 300,000" in streams.err
    assert "burgess2018: 4 models" in streams.out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["burgess2018", "burda2016", "cvae"])
def test_smoke_sizes_run(name, small_discriminator, tmp_path):
    """Every arm trains and is scored, here for two steps."""
    overrides = {"steps": 2, "evaluation.samples": 200, "evaluation.test_samples": 100}
    rows = sweep(name, scale="smoke", overrides=overrides, out=tmp_path / name)
    assert set(rows["status"]) == {"done"}
    assert len(rows) == len(load_study(name, scale="smoke").runs())
