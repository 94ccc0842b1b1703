"""VAEs that are told captions: the text encoder, the two priors, training in cohorts, reading, samples of sentences."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import run as command
from PIL import Image
from readable import assert_readable
from torch import distributions

from disbench.bench import BadInput, checkpoint, sweep
from disbench.bench import cohort as engine
from disbench.bench.captions import NOT_NAMED, Writer, as_said, caption, grammar_of, numbered, parse
from disbench.bench.catalogue import ARCHITECTURES, OBJECTIVES
from disbench.bench.checkpoint import CohortCheckpoint
from disbench.bench.family.captioned import caption_reading
from disbench.bench.family.captioned.caption_reading import CAPTION_READING, combinations, shares
from disbench.bench.family.captioned.factor_reader import FactorReader, centred, judge, looks
from disbench.bench.family.captioned.model import CaptionedVAE, captioned
from disbench.bench.family.captioned.text_encoder import TextEncoder
from disbench.bench.figures import FIGURES
from disbench.bench.figures.style import look
from disbench.bench.generation import Which, chosen_models
from disbench.bench.generation.save import of_sentences, told_by_each
from disbench.bench.models import initial_parameters
from disbench.bench.models.small_patch import small_patch
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import Conditioning, one_model
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study
from disbench.bench.tasks import Subject
from disbench.datasets import compositional, held_out, load
from disbench.metrics import gaussian_kl

PLAN = EvaluationPlan(samples=100, test_samples=50, metrics=())
NETS = {"captioned_vae": "captioned_patch", "captioned_prior_vae": "captioned_prior_patch"}
HELD_OUT = {"shape": [2], "posX": list(range(11))}


def run(objective="captioned_vae", **changes):
    """A tiny run on digits."""
    plain = Run(
        data_set="digits", data_content=None, architecture=NETS[objective], objective=objective,
        options={"named": 0.8}, condition=None, correlation=None, latents=3, steps=50, batch_size=8,
        learning_rate=1e-3, strength=2.0, seed=0, evaluation=PLAN,
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def digits():
    """The digits, opened once."""
    return load("digits")


def started(module):
    """A module with the weights that training begins with, in float64."""
    weights = initial_parameters(module, "glorot", [0], torch.device("cpu"))
    module.load_state_dict({name: value[0] for name, value in weights.items()})
    return module.double()


def sentences(*texts):
    """Captions of dSprites as a model is told them, in float64."""
    return torch.stack([numbered(grammar_of("dsprites"), text) for text in texts]).double()


def test_the_text_encoder_ignores_padding():
    """A longer table of places and more empty ones change nothing; neither do the sentences beside it."""
    short, long = TextEncoder(5, 8, 2, 2), TextEncoder(9, 8, 2, 2)
    started(long)
    weights = dict(long.state_dict())
    weights["places.weight"] = weights["places.weight"][:5]
    short.double().load_state_dict(weights)
    words = torch.tensor([[3.0, 7, 1, 0, 0], [2, 0, 0, 0, 0]], dtype=torch.float64)
    padded = torch.nn.functional.pad(words, (0, 4))
    torch.testing.assert_close(long(padded), short(words), rtol=0, atol=1e-12)
    torch.testing.assert_close(short(words[:1]), short(words)[:1], rtol=0, atol=1e-12)


def test_word_order_matters_only_through_places():
    """With equal places a sentence is a bag of words; with those it has, order tells."""
    encoder = started(TextEncoder(18, 8, 2, 2))
    first, second = sentences("a small heart turned a quarter", "turned a quarter a small heart")
    assert sorted(first.tolist()) == sorted(second.tolist())
    assert (encoder(first[None]) - encoder(second[None])).abs().max() > 1e-3
    with torch.no_grad():
        encoder.places.weight[:] = encoder.places.weight[0].clone()
    torch.testing.assert_close(encoder(first[None]), encoder(second[None]), rtol=0, atol=1e-12)


def test_a_caption_without_words_is_the_zero_vector():
    """What figures of the prior may tell a model; it must not be NaN."""
    encoder = started(TextEncoder(5, 8, 2, 1))
    assert torch.equal(
        encoder(torch.zeros(2, 5, dtype=torch.float64)), torch.zeros(2, 8, dtype=torch.float64)
    )


def test_attention_is_the_library_s():
    """Against PyTorch's own with the same mask, head by head."""
    from disbench.bench.family.captioned.text_encoder import SelfAttention

    layer = started(SelfAttention(8, 2))
    x, is_word = torch.randn(3, 5, 8, dtype=torch.float64), torch.arange(5) < torch.tensor([[5], [2], [1]])
    parts = [f(x).unflatten(-1, (2, 4)).transpose(1, 2) for f in (layer.queries, layer.keys, layer.values)]
    theirs = torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=is_word[:, None, None, :])
    theirs = layer.joined(theirs.transpose(1, 2).flatten(-2))
    torch.testing.assert_close(layer(x, is_word), theirs, rtol=0, atol=1e-9)


def test_the_prior_that_is_told():
    """The KL of codes to N(0, I) is that of z to the Gaussian it says, whose draws the decoder sees."""
    build = captioned(small_patch, width=8, heads=2, blocks=1, prior_told=True)
    model = started(build((1, 8, 8), 3, 18))
    told = sentences("a small heart", "a large square at the top")
    images, noise = torch.rand(2, 1, 8, 8).double(), torch.randn(2, 3).double()
    outcome = model(images, told, noise)
    text = model.text(told)
    mean, logvar = model.told_prior(text)
    assert (mean[0] - mean[1]).abs().max() > 1e-3
    of_z, log_of_z = model.encoder(images, text).chunk(2, dim=-1)
    prior = distributions.Normal(mean, (0.5 * logvar).exp())
    posterior = distributions.Normal(of_z, (0.5 * log_of_z).exp())
    expected = distributions.kl_divergence(posterior, prior)
    torch.testing.assert_close(gaussian_kl(outcome.mean, outcome.logvar), expected, rtol=0, atol=1e-12)
    seen = model.decoder(posterior.mean + posterior.stddev * noise, text)
    torch.testing.assert_close(outcome.logits, seen, rtol=0, atol=1e-12)
    drawn = model.decoder(prior.mean + prior.stddev * noise, text)
    torch.testing.assert_close(model.decode(model.prior(noise, told), told), drawn, rtol=0, atol=1e-12)
    with torch.no_grad():
        model.told_prior.parameters_of.weight.zero_()
    with_fixed = CaptionedVAE(model.text, model.encoder, model.decoder)
    for ours, theirs in zip(model(images, told, noise)[:5], with_fixed(images, told, noise)[:5], strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("objective", NETS)
def test_a_cohort_equals_single_runs(objective, digits):
    """In float64: three models at once and one at a time agree to 1e-9, whatever the order."""
    first = run(objective, steps=8)
    runs = [first, replace(first, strength=4.0), replace(first, seed=7)]
    together = engine.train(Cohort(tuple(runs)), digits, dtype=torch.float64).parameters
    for position, single in enumerate(runs):
        alone = one_model(engine.train(Cohort((single,)), digits, dtype=torch.float64).parameters, 0)
        for name, value in alone.items():
            torch.testing.assert_close(together[name][position], value, rtol=0, atol=1e-9)
    moved = {name.split(".")[0] for name in together if not torch.equal(together[name][0], together[name][1])}
    assert {"text", "encoder", "decoder"} <= moved  # trained jointly


def test_a_resumed_training_is_the_uninterrupted_one(digits, tmp_path, monkeypatch):
    """Bit for bit, captions and all."""
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)  # keep one, however long it took
    cohort = Cohort((run("captioned_prior_vae", steps=70), run("captioned_prior_vae", steps=70, seed=1)))
    whole = engine.train(cohort, digits).parameters

    class Dies(CohortCheckpoint):
        """Stops the training once something is kept."""

        def offer(self, done, state, history):
            super().offer(done, state, history)
            if done == 64:
                raise KeyboardInterrupt

    kept = tmp_path / "cohort.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        engine.train(cohort, digits, checkpoint=Dies(kept, cohort, seconds=0))
    again = CohortCheckpoint(kept, cohort, seconds=0)
    resumed = engine.train(cohort, digits, checkpoint=again).parameters
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_what_is_told_is_the_caption_of_the_image(digits):
    """In training and evaluation the same, a function of seed and image; a part keeps the captions of the whole."""
    one, two = run(), run(seed=5)
    indices = torch.tensor([3, 100, 7])
    factors = digits.factors(indices)
    training = Conditioning.of(one).training(digits, [0, 5])(indices.expand(2, -1), factors.expand(2, -1, -1))
    for place, owner in enumerate((one, two)):
        assert torch.equal(Conditioning.of(owner).evaluation(digits)(indices, factors), training[place])
    writer = Writer(grammar_of("digits"))
    said = [
        caption("digits", row, 5, index=i) for i, row in zip(indices.tolist(), factors.tolist(), strict=True)
    ]
    assert [writer.text(row.long()) for row in training[1]] == said
    part, _ = held_out(digits, lambda rows, indices: rows[:, 0] == 0)
    places = torch.tensor([0, 50, 999])
    of_part = Conditioning.of(one).training(part, [0])(places[None], part.factors(places)[None])
    whole = Conditioning.of(one).evaluation(digits)(part.kept[places], part.factors(places))
    assert torch.equal(of_part[0], whole)


def test_the_loss_is_the_vaes(digits):
    """Reconstruction and beta times the KL; how much captions name is not its business."""
    model = started(ARCHITECTURES["captioned_patch"].build((1, 8, 8), 3, 5))
    outcome = model(digits.images([0, 1]).double(), torch.ones(2, 5).double(), torch.randn(2, 3).double())
    for strength in (1.0, 4.0):
        ours = OBJECTIVES["captioned_vae"].loss(outcome, torch.tensor(strength), None, named=0.3)
        theirs = OBJECTIVES["beta_vae"].loss(outcome, torch.tensor(strength), None)
        assert ours == theirs


def test_the_reader_looks_where_the_light_is():
    """A patch anywhere becomes the same middle; a bright point moves to the centre."""
    images = torch.zeros(2, 1, 16, 16)
    images[0, 0, 2:4, 5:9] = 1
    images[1, 0, 10:12, 7:11] = 1
    middle = centred(images)
    assert middle.shape == (2, 1, 8, 8)
    torch.testing.assert_close(middle[0], middle[1])
    assert middle[0, 0, 3:5, 2:6].sum() == pytest.approx(8)


def test_shares_worked_by_hand():
    """Two captions: of four named factors three are right; a square's half turn is none."""
    grammar = grammar_of("dsprites")
    said = torch.stack(
        [as_said(grammar, {"shape": 0, "orientation": 4}), as_said(grammar, {"shape": 2, "posX": 1})]
    )
    read = torch.tensor([[0, 0, 0, 0, 0], [1, 2, 3, 1, 0]])
    found = shares(grammar, said, read, "x")
    assert found == {"x": 0.75, "x_by_factor": [0.5, 0.0, 1.0, 1.0, 0.0]}
    coarse = torch.tensor([[0, 1, 5, 0, 0], [1, 1, 5, 0, 0], [2, 1, 5, 0, 0]])
    assert looks(grammar, coarse)[:, 2].tolist() == [1, 1, 5]
    assert NOT_NAMED not in looks(grammar, coarse)


def test_the_reader_learns_to_read_digits(digits):
    """Most of the images that it was not trained on, after seconds; the same at the same seed."""
    reader = judge(digits, "digits", 0, 150)
    assert reader is judge(digits, "digits", 0, 150)
    images = reader.kept_back
    assert 800 < len(images) < 1000
    right = (reader.read(digits.images(images)) == digits.factors(images)).float().mean()
    assert right > 0.9


class Draws:
    """A model that draws just what the caption says, or always the same: what the task must tell apart."""

    def __init__(self, data, always=None):
        self.data, self.always = data, always

    def prior(self, noise, told):
        return noise

    def decode(self, codes, told):
        writer = Writer(grammar_of("digits"))
        of_class = {int(c): i for i, c in enumerate(self.data.factors(range(len(self.data)))[:, 0])}
        wanted = [parse("digits", writer.text(row.long())).get("digit", 0) for row in told]
        images = self.data.images([of_class[self.always if self.always is not None else c] for c in wanted])
        return torch.logit(images, eps=1e-4)


def test_reading_tells_a_model_that_listens_from_one_that_does_not(digits):
    """Drawing what is said reads as real images do; drawing one digit whatever is said, as luck does."""
    options = {"captions": 200, "reader_steps": 150, "reader_seed": 0}

    def measured(model):
        subject = Subject(run(), model, digits, None, None, None, torch.zeros(1, 3), 0)
        return CAPTION_READING.measure(subject, **options)

    listens, deaf = measured(Draws(digits)), measured(Draws(digits, always=3))
    assert listens["caption_reading"] > 0.9
    assert listens["caption_reading_real"] > 0.9
    assert deaf["caption_reading"] == pytest.approx(0.1, abs=0.06)
    assert deaf["caption_reading_chance"] == pytest.approx(0.1, abs=0.03)
    assert "caption_reading_held_out" not in deaf
    assert set(listens) <= {score.column for score in CAPTION_READING.scores}


POOL = torch.arange(3).repeat_interleave(1024) * 6 * 40 * 1024 + 5 * 40 * 1024 + torch.arange(1024).repeat(3)
"""Large upright sprites of every shape in every place: the images that `Oracle` knows."""


class Oracle:
    """A judge of dSprites that makes no mistakes about images of the pool."""

    def __init__(self, data):
        self.grammar = grammar_of("dsprites")
        self.writer, self.kept_back = Writer(self.grammar), POOL
        rows = self.writer.coarse(data.factors(POOL))
        images = data.images(POOL)
        self.of_image = {image.numpy().tobytes(): row for image, row in zip(images, rows, strict=True)}

    def read(self, images):
        return torch.stack([self.of_image[image.round().numpy().tobytes()] for image in images])


class Sprites:
    """A model that draws what captions say of shape and place; of hearts on the left, if it never saw any, ellipses."""

    def __init__(self, data, saw_all):
        self.data, self.saw_all = data, saw_all

    def prior(self, noise, told):
        return noise

    def decode(self, codes, told):
        writer = Writer(grammar_of("dsprites"))
        said = [parse("dsprites", writer.text(row.long())) for row in told]
        shapes = [
            1 if not self.saw_all and (one["shape"], one["posX"]) == (2, 0) else one["shape"] for one in said
        ]
        rows = [[shape, 5, 0, (5, 16, 27)[one["posX"]], 16] for shape, one in zip(shapes, said, strict=True)]
        return torch.logit(self.data.images(self.data.index(torch.tensor(rows))), eps=1e-4)


def test_reading_of_unseen_combinations_worked_by_hand(monkeypatch):
    """Hearts on the left, never seen: drawn as ellipses on the left, half of what captions say is right."""
    data = load("dsprites")
    monkeypatch.setattr(caption_reading, "judge", lambda *_: Oracle(data))
    split = {
        "hold_out": {"compositional": HELD_OUT},
        "options": {"named": 1e-9},
    }  # captions name the split alone
    ours = run(data_set="dsprites", **split)

    def measured(saw_all):
        subject = Subject(ours, Sprites(data, saw_all), data, None, None, None, torch.zeros(1, 3), 0)
        return CAPTION_READING.measure(subject, captions=400, reader_steps=0, reader_seed=0)

    generalises, copies = measured(True), measured(False)
    for found in (generalises, copies):
        assert found["caption_reading"] == found["caption_reading_real"] == 1
        assert found["caption_reading_held_out_real"] == 1
    assert generalises["caption_reading_held_out"] == 1
    assert copies["caption_reading_held_out"] == 0.5
    assert copies["caption_reading_held_out_by_factor"] == [0, 0, 0, 1, 0]  # not named counts as none
    # Images trained on: 1,024 squares, 1,024 ellipses, 21 of 32 columns of hearts; 11 of 32 of the former are left.
    hearts, left = 21 * 32 / 2720, 2 * 11 * 32 / 2720
    assert copies["caption_reading_held_out_chance"] == pytest.approx((hearts + left) / 2, abs=0.04)


def test_unseen_combinations_are_those_of_no_training_image():
    """Hearts on the left are held out whole: unseen. Half of the left: every sentence of it is of images trained on."""
    data, writer = load("dsprites"), Writer(grammar_of("dsprites"))
    rows = torch.tensor([[2, 0, 0, 3, 0], [2, 0, 0, 10, 5], [2, 0, 0, 11, 0], [1, 0, 0, 3, 0]])
    ours = run(data_set="dsprites", hold_out={"compositional": HELD_OUT})
    split = combinations(ours, data, writer)
    assert split.factors == ("shape", "posX")
    assert split.unseen(rows).tolist() == [True, True, False, False]
    half = replace(ours, hold_out={"compositional": {"shape": [2], "posX": [0, 1, 2]}})
    assert not combinations(half, data, writer).unseen(rows).any()
    assert combinations(run(data_set="dsprites"), data, writer) is None
    assert (
        compositional(data, HELD_OUT)(rows, torch.arange(len(rows))).tolist() == split.unseen(rows).tolist()
    )


STUDY = {
    "name": "captions", "data_set": "digits", "latents": 3, "steps": 20, "batch_size": 16, "learning_rate": 1e-3,
    "evaluation": {
        "samples": 100, "test_samples": 50, "metrics": ["active_units"],
        "options": {"caption_reading": {"captions": 30, "reader_steps": 10}},
    },
    "arms": [
        {"objective": "captioned_vae", "architecture": "captioned_patch", "strengths": [2]},
        {"objective": "captioned_prior_vae", "architecture": "captioned_prior_patch", "strengths": [1]},
        {"objective": "beta_vae", "architecture": "small_patch", "strengths": [1]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The folder and rows of a sweep of both objectives beside one that is told nothing."""
    folder = tmp_path_factory.mktemp("captions") / "out"
    return folder, sweep(parse_study(STUDY, "captions.toml"), out=folder, device="cpu")


def test_a_sweep_scores_what_is_defined(swept):
    """Reading for those that are told captions; the codes of both have the prior N(0, I)."""
    rows = swept[1].set_index("objective")
    assert list(rows["status"]) == ["done"] * 3
    assert rows["caption_reading"].notna().tolist() == [True, True, False]
    assert rows["caption_reading_real"].between(0, 1).tolist() == [True, True, False]
    assert rows[["active_units", "elbo_nats"]].notna().all(axis=None)


def test_sample_text_end_to_end(swept, capsys):
    """One caption fills a square, several are rows of the same codes; models that are told none are passed over.

    A caption is written beside its row and is in the name.
    """
    folder = swept[0]
    status, out, _ = command(capsys, "sample", folder, "--text", "a three", "--count", 4)
    paths = [
        folder / "samples" / f"{name}_digits_seed0_text_a-three.png"
        for name in ("captioned_vae_2", "captioned_prior_vae_1")
    ]
    assert status == 0
    assert out.split() == [str(path) for path in paths]
    height, width, _ = np.asarray(Image.open(paths[0])).shape
    assert height == 134
    beside = np.asarray(Image.open(paths[0]))[:, : width - 134]
    assert (beside < 64).any()  # letters
    assert (beside[:, [0, -1]] == 255).all()
    status, _, _ = command(
        capsys, "sample", folder, "--text", "a three", "--text", "the number 8", "--count", 4
    )
    assert status == 0
    both = paths[1].with_stem(paths[1].stem + "_the-number-8")
    sheet = np.asarray(Image.open(both))
    assert sheet.shape[0] == 66
    rows = (sheet[:32, :-134], sheet[34:, :-134])
    assert all((row < 64).any() for row in rows)


def test_sentences_in_names_are_short_and_their_own():
    """Case and punctuation are nothing to the grammar; a long name ends in a checksum."""
    assert (
        of_sentences(["A heart, small/tiny!"]) == of_sentences(["a heart small tiny"]) == "a-heart-small-tiny"
    )
    long = [of_sentences(["a small heart at the top"] * 5 + [last]) for last in ("a heart", "a square")]
    assert long[0] != long[1]
    assert {len(name) for name in long} == {80}


def test_a_sentence_of_another_data_set_passes_a_model_over(swept):
    """Where some model can read it; a line says so."""
    rows = chosen_models(Store(swept[0]), Which(objective="captioned_vae"))
    other = rows.assign(
        run_id="other", configuration=rows["configuration"].str.replace('"digits"', '"dsprites"')
    )
    lines = []
    told = told_by_each(pd.concat([rows, other]), ["a three"], lines.append)
    assert list(told) == list(rows["run_id"])
    assert len(lines) == 1
    assert lines[0].startswith(
        "passed over: captioned_vae 2 dsprites seed 0: 'three' says nothing where it stands"
    )


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (
            ("--text", "a thre"),
            "unknown word 'thre'; did you mean 'three' or 'there' or 'the'? known words of digit:",
        ),
        (("--text", "the"), "'the' says nothing; known words of digit: digit number zero"),
        (
            ("--text", "a three", "--objective", "beta_vae"),
            "beta_vae 1 digits seed 0: is told no captions; --text is for captioned_",
        ),
    ],
)
def test_sentences_that_cannot_be_told(arguments, answer, swept, capsys):
    """Exit 2 and one line."""
    status, _, error = command(capsys, "sample", swept[0], *arguments)
    assert status == 2
    assert answer in error
    assert error.count("\n") == 1


def test_the_figure_has_a_row_a_caption(swept):
    """One panel a model that is told captions, texts apart."""
    with look():
        figure = FIGURES["caption_samples"].draw(swept[1], Store(swept[0]))
        assert len(figure.axes) == 2
        assert all(len(axes.get_yticklabels()) == 6 for axes in figure.axes)
        assert_readable(figure)
        untold = swept[1][swept[1]["objective"] == "beta_vae"]
        assert FIGURES["caption_samples"].draw(untold, Store(swept[0])) is None


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"data_set": "small_norb"}, "arms.0: .*no captions of small_norb: there is a grammar for dsprites"),
        ({"options": {"named": 2}}, "arms.0: options.named is how likely a caption names a factor"),
        ({"architecture": "small_patch"}, "captioned_vae has architectures of its own"),
    ],
)
def test_studies_that_cannot_be(changes, answer):
    """Refused when they are read."""
    arm = {**STUDY["arms"][0], **changes}
    if changes.get("data_set") == "small_norb":
        arm["architecture"] = "captioned_patch"
    with pytest.raises(BadInput, match=answer):
        parse_study({**STUDY, "arms": [arm]}, "mine.toml")


@pytest.mark.parametrize("name", [name for one in NETS for name in OBJECTIVES[one].architectures])
def test_every_net_codes_and_draws(name):
    """Images of 64 x 64, in colour too; what encode and decode do is what a pass does."""
    torch.manual_seed(0)
    model = ARCHITECTURES[name].build((3, 64, 64), 4, 7)
    weights = initial_parameters(model, ARCHITECTURES[name].initialisation, [0], torch.device("cpu"))
    model.load_state_dict({key: value[0] for key, value in weights.items()})
    images, told, noise = (
        torch.rand(2, 3, 64, 64),
        torch.tensor([[3.0, 1, 2, 0, 0, 0, 0], [9.0] * 7]),
        torch.randn(2, 4),
    )
    with torch.no_grad():
        outcome = model(images, told, noise)
        mean, logvar = model.encode(images, told)
        torch.testing.assert_close(outcome.mean, mean)
        torch.testing.assert_close(outcome.codes, mean + (0.5 * logvar).exp() * noise)
        torch.testing.assert_close(outcome.logits, model.decode(outcome.codes, told))
    assert outcome.logits.shape == images.shape


def test_a_factor_reader_takes_small_and_coloured_images():
    """Both views, whatever the side."""
    for shape in ((1, 8, 8), (3, 64, 64)):
        scores = FactorReader(shape, (3, 5))(torch.rand(2, *shape))
        assert [tuple(one.shape) for one in scores] == [(2, 3), (2, 5)]
