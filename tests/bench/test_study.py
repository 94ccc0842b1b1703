"""Studies: what a file means, and one clear line for each way to get it wrong."""

import pytest
import torch

from disbench.bench import BadInput, load_study
from disbench.bench.study_loading import parse_study, shipped_studies
from disbench.bench.training_state import optimiser_of

GOOD = {
    "name": "mine",
    "data_set": "digits",
    "architecture": "small_patch",
    "steps": 10,
    "seeds": 2,
    "arms": [
        {"objective": "beta_vae", "strengths": [1, 4.0]},
        {"objective": "beta_tcvae", "strengths": [2], "options": {"estimator": "mss"}, "steps": 20},
        {"objective": "vae", "latents": 3},
    ],
}


def parsed(document=GOOD, **overrides):
    """A parsed document with changes at its top."""
    return parse_study({**document, **overrides}, "mine.toml")


def with_arm(**changes):
    """The good document with only its first arm, changed; a value of None removes the key."""
    arm = {**GOOD["arms"][0], **changes}
    return {**GOOD, "arms": [{key: value for key, value in arm.items() if value is not None}]}


def test_runs_are_arms_by_strengths_by_seeds():
    """Keys at the top hold for every arm that does not have its own."""
    runs = parsed().runs()
    assert [(r.objective, r.strength, r.seed) for r in runs] == [
        ("beta_vae", 1.0, 0), ("beta_vae", 1.0, 1), ("beta_vae", 4.0, 0), ("beta_vae", 4.0, 1),
        ("beta_tcvae", 2.0, 0), ("beta_tcvae", 2.0, 1), ("vae", 1.0, 0), ("vae", 1.0, 1),
    ]  # fmt: skip
    assert [r.steps for r in runs] == [10] * 4 + [20] * 2 + [10] * 2
    assert runs[4].options == {"estimator": "mss"}
    assert len({r.run_id for r in runs}) == 8


def test_defaults_of_options_are_part_of_the_run():
    """Naming the default changes nothing: the run is the same run."""
    silent = parsed(with_arm(objective="beta_tcvae")).runs()[0]
    named = parsed(with_arm(objective="beta_tcvae", options={"estimator": "mws"})).runs()[0]
    assert silent.run_id == named.run_id


def test_adam_has_another_epsilon_where_it_is_named():
    """PyTorch's where it is not, which is then no part of the run."""
    runs = [parsed(with_arm(objective="beta_tcvae", options=o)).runs()[0] for o in ({}, {"adam_eps": 1e-4})]
    assert [run.options for run in runs] == [{"estimator": "mws"}, {"estimator": "mws", "adam_eps": 1e-4}]
    weight, cpu = torch.nn.Parameter(torch.zeros(1)), torch.device("cpu")
    made = [optimiser_of(run, [{"params": [weight], "lr": 1e-3}], cpu) for run in runs]
    assert [one.param_groups[0]["eps"] for one in made] == [1e-8, 1e-4]


def test_an_option_that_is_off_is_no_part_of_the_run():
    """A warm-up changes the run where it is named; where it is not, runs are those from before there was one."""
    silent, warm = (parsed(with_arm(options=o)).runs()[0] for o in (None, {"warmup_steps": 10_000}))
    assert (silent.options, warm.options) == ({}, {"warmup_steps": 10_000.0})
    assert silent.run_id != warm.run_id
    # As commit 3d82efb, which had no such option, names the first of them.
    assert load_study("six_methods").runs()[0].run_id == "8efba1545d7f0d31"


def test_overrides_win_over_arms():
    """`--set steps=5` reaches arms with steps of their own; a dotted key reaches one arm."""
    study = parse_study(
        GOOD, "x", {"steps": 5, "arms.1.strengths": [3, 6], "evaluation.samples": 50, "seeds": [4]}
    )
    assert {r.steps for r in study.runs()} == {5}
    assert {r.strength for r in study.runs() if r.objective == "beta_tcvae"} == {3, 6}
    assert study.evaluation.samples == 50
    assert {r.seed for r in study.runs()} == {4}


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_are_valid(name):
    """Every file in the folder parses, and is called what it says."""
    study = load_study(name)
    assert study.name == name
    assert study.title
    assert study.runs()


def test_quick_is_the_main_job():
    """Two objectives over at least four strengths on dSprites, CVAE on digits and on dSprites given shape."""
    runs = load_study("quick").runs()
    for objective in ("beta_vae", "beta_tcvae"):
        mine = {r.strength for r in runs if r.objective == objective and r.data_set == "dsprites"}
        assert len(mine) >= 4
    assert {(r.data_set, r.condition) for r in runs if r.objective == "cvae"} == {
        ("digits", "digit"),
        ("dsprites", "shape"),
    }


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({**GOOD, "step": 5}, "unknown key 'step'; did you mean 'steps'?"),
        (with_arm(strenghts=[1]), "unknown key 'arms.0.strenghts'; did you mean 'strengths'?"),
        ({**GOOD, "evaluation": {"sample": 5}}, "unknown key 'evaluation.sample'; did you mean 'samples'?"),
        ({**GOOD, "steps": "many"}, "arms.0.steps should be of type integer, got 'many'"),
        ({**GOOD, "steps": 0}, "arms.0.steps should be greater than or equal to 1, got 0"),
        ({**GOOD, "steps": 1.5}, "arms.0.steps"),
        ({**GOOD, "learning_rate": float("nan")}, "arms.0.learning_rate"),
        ({**GOOD, "learning_rate": -1.0}, "arms.0.learning_rate should be greater than 0, got -1.0"),
        ({**GOOD, "batch_size": 1}, "arms.0.batch_size should be greater than or equal to 2"),
        ({**GOOD, "seeds": 0}, "seeds"),
        ({**GOOD, "seeds": []}, "seeds is empty"),
        ({**GOOD, "seeds": [1, 1]}, "seeds has 1 twice"),
        ({**GOOD, "seeds": [-1]}, "seeds"),
        ({**GOOD, "name": "My Study!"}, "name should match pattern"),
        ({k: v for k, v in GOOD.items() if k != "name"}, "name is missing"),
        ({**GOOD, "arms": []}, "arms should have at least 1 item"),
        ({**GOOD, "arms": 3}, "arms should be of type list, got 3"),
        (with_arm(objective=None), "arms.0.objective is missing"),
        (with_arm(objective="betavae"), "unknown objective 'betavae'; did you mean 'beta_vae'? known: vae,"),
        (with_arm(data_set="dsprite"), "unknown data set 'dsprite', did you mean 'dsprites'"),
        (with_arm(architecture="resnet"), "unknown architecture 'resnet'"),
        (with_arm(architecture="study_conv"), "study_conv needs images of 64 x 64; digits has 1 x 8 x 8"),
        (with_arm(strengths=[]), "strengths is empty; beta_vae needs a list of numbers"),
        (with_arm(strengths=None), "strengths is missing; beta_vae needs"),
        (with_arm(strengths=[1, 1.0]), "strengths has 1 twice"),
        (with_arm(strengths=[-1]), "arms.0.strengths.0 should be greater than or equal to 0, got -1"),
        (with_arm(strengths=[float("inf")]), "arms.0.strengths.0"),
        (with_arm(strengths=4), "arms.0.strengths"),
        (with_arm(objective="vae"), "vae has no strength; leave strengths out"),
        (with_arm(condition="digit"), "beta_vae takes no condition"),
        (with_arm(objective="cvae"), "cvae needs a condition; factors of digits: digit"),
        (with_arm(objective="cvae", condition="colour"), "unknown factor of digits 'colour'; known: digit"),
        (with_arm(options={"estimator": "mss"}), "beta_vae has no option 'estimator'"),
        (
            with_arm(objective="dip_vae_i", options={"diagonal_ratio": -1}),
            "options.diagonal_ratio should be a number above 0",
        ),
        (
            with_arm(objective="annealed_vae", options={"gamma": "big"}),
            "options.gamma should be a number above 0",
        ),
        (
            with_arm(options={"warmup_steps": 0}),
            "options.warmup_steps should be a number above 0 (default off), got 0",
        ),
        (with_arm(objective="factor_vae", options={"permute": "third"}), "unknown permute 'third'"),
        ({**GOOD, "data_sets": ["dsprites"], "data_set": "digits"}, "give data_set or data_sets, not both"),
        ({**GOOD, "data_sets": "dsprites"}, "data_sets should be a list of names"),
        (with_arm(precision="float16"), "unknown precision 'float16'"),
        (with_arm(objective="beta_tcvae", options={"estimator": "mis"}), "unknown estimator 'mis'"),
        (
            with_arm(correlation={"factors": ["digit", "x"], "sigma": 0.1}),
            "digits is no full grid of factors",
        ),
        (
            with_arm(data_set="dsprites", correlation={"factors": ["posX", "posZ"], "sigma": 0.1}),
            "unknown factor of dsprites 'posZ'",
        ),
        (
            with_arm(data_set="dsprites", correlation={"factors": ["posX", "posX"], "sigma": 0.1}),
            "factors are two different ones, got 'posX' twice",
        ),
        (with_arm(data_set="dsprites", correlation={"factors": ["posX", "posY"], "sigma": 0}), "sigma"),
        (
            with_arm(data_set="dsprites", hold_out={}),
            "hold_out: give one of compositional, extrapolation, random, got none",
        ),
        (
            with_arm(data_set="dsprites", hold_out={"extrapolation": {"size": 0.5}}),
            "hold_out.extrapolation: dsprites has no factor 'size'",
        ),
        (
            with_arm(data_set="dsprites", hold_out={"compositional": {"shape": [2], "scale": [6]}}),
            "hold_out.compositional: scale has classes 0 to 5, got [6]",
        ),
        (
            with_arm(data_set="dsprites", hold_out={"random": {"share": 1.5}}),
            "hold_out.random.share should be",
        ),
        (
            with_arm(
                data_set="dsprites",
                correlation={"factors": ["posX", "posY"], "sigma": 1.0},
                hold_out={"random": {"share": 0.5}},
            ),
            "hold_out: not together with correlation",
        ),
        (
            with_arm(data_set="dsprites", correlation={"factors": ["posX"], "sigma": 1.0}),
            "correlation.factors",
        ),
        ({**GOOD, "evaluation": {"metrics": ["migg"]}}, "unknown metric 'migg'; did you mean 'mig'?"),
        ({**GOOD, "evaluation": {"options": {"dcj": {}}}}, "unknown metric 'dcj'; did you mean 'dci'?"),
        (
            {**GOOD, "evaluation": {"options": {"mig": {"binz": 3}}}},
            "takes no option 'binz', did you mean 'bins'",
        ),
        ({**GOOD, "evaluation": {"options": {"mig": {"bins": 0}}}}, "evaluation.options.mig: bins"),
        ({**GOOD, "evaluation": {"options": {"mig": {"bins": "many"}}}}, "evaluation.options.mig"),
        ({**GOOD, "seeds": 10**9}, "seeds"),
        ({**GOOD, "arms": [GOOD["arms"][0]] * 2}, "two arms ask for the same run: beta_vae 1 digits seed 0"),
    ],
)
def test_bad_studies_get_one_clear_line(document, words):
    """What, where, and what would be right."""
    with pytest.raises(BadInput) as caught:
        parsed(document)
    message = str(caught.value)
    assert message.startswith("mine.toml: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("arms.7.steps", "arms has items 0 to 2, got '7'"),
        ("name.x", "name is no table"),
        ("arms.0.stepz", "unknown key 'arms.0.stepz'; did you mean 'steps'?"),
    ],
)
def test_bad_overrides_get_one_clear_line(key, words):
    """The key as typed is in the message."""
    with pytest.raises(BadInput, match="^mine.toml: ") as caught:
        parse_study(GOOD, "mine.toml", {key: 1})
    assert words in str(caught.value)


def test_files_that_are_none(tmp_path):
    """Unknown names list the shipped ones; missing, binary and broken files are named."""
    with pytest.raises(BadInput, match=r"unknown study 'quikc'; did you mean 'quick'\? known: .*quick"):
        load_study("quikc")
    with pytest.raises(BadInput, match="does not exist"):
        load_study(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    for content in (b"name = ", b"\xff\xfe\x00"):
        broken.write_bytes(content)
        with pytest.raises(BadInput, match="broken.toml: not valid TOML"):
            load_study(broken)


def test_arms_on_several_data_sets():
    """Every arm on each, data set by data set; an arm with one of its own stays as it is, and comes last."""
    arms = [
        {"objective": "vae", "data_set": "digits", "architecture": "small_patch"},
        {"objective": "beta_vae", "strengths": [4]},
        {"objective": "beta_tcvae", "strengths": [4]},
    ]
    document = {"name": "several", "data_sets": ["dsprites", "shapes3d"], "arms": arms}
    found = [(arm.data_set, arm.objective) for arm in parsed(document).arms]
    assert found == [
        ("dsprites", "beta_vae"),
        ("dsprites", "beta_tcvae"),
        ("shapes3d", "beta_vae"),
        ("shapes3d", "beta_tcvae"),
        ("digits", "vae"),
    ]
    one = parse_study(document, "a file", {"data_set": "dsprites"})
    assert [arm.data_set for arm in one.arms] == ["dsprites"] * 3


def test_the_unsupervised_study_is_the_published_one():
    """12,600 models; grids and settings of Locatello et al. 2019, config unsupervised_study_v1."""
    study = load_study("unsupervised")
    runs = study.runs()
    assert len(runs) == 7 * 6 * 6 * 50
    assert len({run.family for run in runs}) == 42
    shared = {(r.steps, r.batch_size, r.learning_rate, r.latents, r.architecture, r.precision) for r in runs}
    assert shared == {(300_000, 64, 1e-4, 10, "study_conv", "float32")}
    assert {(arm.objective, tuple(arm.grid())) for arm in study.arms} == {
        ("beta_vae", (1, 2, 4, 6, 8, 16)),
        ("annealed_vae", (5, 10, 25, 50, 75, 100)),
        ("factor_vae", (10, 20, 30, 40, 50, 100)),
        ("dip_vae_i", (1, 2, 5, 10, 20, 50)),
        ("dip_vae_ii", (1, 2, 5, 10, 20, 50)),
        ("beta_tcvae", (1, 2, 4, 6, 8, 10)),
    }
    assert {run.options.get("diagonal_ratio") for run in runs} == {None, 1.0, 10.0}
    one = load_study("unsupervised", {"data_sets": ["dsprites"], "seeds": 1})
    assert len(one.runs()) == 36
