"""Captions: what the grammar writes is read back, says what is true, and unknown words are answered with known ones."""

import itertools
import math

import pytest
import torch

from disbench.bench import BadInput
from disbench.bench.captions import (
    GRAMMARS,
    MOST_WORDS,
    NO_WORD,
    NOT_NAMED,
    Aspect,
    Grammar,
    Writer,
    as_said,
    caption,
    fits,
    grammar_of,
    numbered,
    parse,
)
from disbench.bench.captions.grammar import IDLE, slot, slots_in
from disbench.bench.randomness import keyed_uniform
from disbench.datasets import entry

DATA_SETS = tuple(
    {id(grammar): name for name, grammar in reversed(GRAMMARS.items())}.values()
)  # one a grammar


def drawn(data_set, count, seed=0):
    """Random factors [count, K] and uniform numbers [count, n] for their captions."""
    generator = torch.Generator().manual_seed(seed)
    sizes = entry(data_set).factor_sizes
    factors = torch.stack([torch.randint(size, (count,), generator=generator) for size in sizes], dim=1)
    return factors, torch.rand(count, Writer(grammar_of(data_set)).chances, generator=generator)


def in_words(grammar, factors, chances, named):
    """The same caption by strings alone: template, who is named, a way to say each slot, joined, articles last."""
    order, *rest = chances.tolist()
    presence, ways = rest[: len(grammar.aspects)], rest[len(grammar.aspects) :]
    said = {
        aspect.factor: aspect.coarse[c] if chance < named else NOT_NAMED
        for aspect, c, chance in zip(grammar.aspects, factors.tolist(), presence, strict=True)
    }
    phrases = {}
    for (name, entry_), chance in zip(grammar.slots.items(), ways, strict=True):
        choice = entry_.phrases[tuple(said[factor] for factor in entry_.factors)]
        phrases[name] = choice[math.floor(chance * len(choice))]
    template = grammar.templates[math.floor(order * len(grammar.templates))]
    words = template.format(**phrases).split()
    following = [*words[1:], ""]
    vowel = [after[:1] in {"a", "e", "i", "o", "u"} and after != "one" for after in following]
    return " ".join("an" if word == "a" and an else word for word, an in zip(words, vowel, strict=True))


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_tensor_captions_are_those_of_strings(data_set):
    """Tables looked up for 300 images at once against templates filled in one by one."""
    grammar, (factors, chances) = grammar_of(data_set), drawn(data_set, 300)
    writer = Writer(grammar)
    written = writer(factors, chances, named=0.7)
    for row, words in enumerate(written.words):
        assert writer.text(words) == in_words(grammar, factors[row], chances[row], 0.7)


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_every_caption_is_read_back_to_what_it_says(data_set):
    """2,000 random images: the parser finds exactly the classes that were named, and they are true of the image."""
    grammar, (factors, chances) = grammar_of(data_set), drawn(data_set, 2000)
    writer = Writer(grammar)
    written = writer(factors, chances)
    for row, words in enumerate(written.words):
        said = as_said(grammar, parse(data_set, writer.text(words)))
        assert torch.equal(said, written.said[row]), writer.text(words)
    assert fits(grammar, written.said, writer.coarse(factors)).all()
    named = (written.said != NOT_NAMED).float().mean()
    assert named == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_every_phrase_in_every_order_can_be_read(data_set):
    """All ways to say each class, in each template that has its slot, with all else left out."""
    grammar = grammar_of(data_set)
    for name, entry_ in grammar.slots.items():
        for classes, ways in entry_.phrases.items():
            meaning = {f: c for f, c in zip(entry_.factors, classes, strict=True) if c != NOT_NAMED}
            for template, way in itertools.product(grammar.templates, ways):
                if name not in slots_in(template):
                    continue
                others = {
                    other: s.phrases[(NOT_NAMED,) * len(s.factors)][0] for other, s in grammar.slots.items()
                }
                assert parse(data_set, template.format(**{**others, name: way})) == meaning


def test_synonyms_and_word_orders_say_the_same():
    """Worked by hand for dSprites."""
    expected = {"shape": 2, "scale": 0, "orientation": 2, "posX": 0, "posY": 0}
    for text in (
        "a small heart at the upper left, turned a quarter",
        "A tiny heart in the top left rotated by a quarter counter-clockwise.",
        "at the top left a little heart shape turned three quarters clockwise",
        "there is a heart that is small in the upper left corner, turned a quarter anti-clockwise",
    ):
        assert parse("dsprites", text) == expected
    assert parse("dsprites", "a square turned three eighths clockwise") == {"shape": 0, "orientation": 5}
    assert parse("dsprites", "an oval in the middle") == {"shape": 1, "posX": 1, "posY": 1}
    assert parse("dsprites", "a figure halfway down") == {"posY": 1}
    assert parse("shapes3d", "a big scarlet ball on blue ground before a pink wall seen from the left") == {
        "scale": 2, "object_hue": 0, "shape": 2, "floor_hue": 6, "wall_hue": 9, "orientation": 0,
    }  # fmt: skip


def test_a_turn_is_right_where_the_shape_looks_the_same():
    """A square after each quarter turn, an ellipse after each half, a heart after a whole one."""
    grammar = grammar_of("dsprites")
    for shape, fitting in ((0, {0, 2, 4, 6}), (1, {2, 6}), (2, {2})):
        said = as_said(grammar, {"shape": shape, "orientation": 2} if shape else {"orientation": 2})
        coarse = torch.tensor([[shape, 0, turn, 0, 0] for turn in range(8)])
        right = fits(grammar, said.expand(8, -1), coarse).all(dim=1)
        assert set(right.nonzero()[:, 0].tolist()) == fitting


def test_coarse_classes_of_dsprites():
    """Thirds of the place, two scales a size; classes 0 and 39 of the turn are one picture and one class."""
    grammar = grammar_of("dsprites")
    turn, x = grammar.aspects[2].coarse, grammar.aspects[3].coarse
    assert (turn[0], turn[39], turn[10], turn[20]) == (0, 0, 2, 4)
    assert (x[0], x[10], x[11], x[21], x[22], x[31]) == (0, 0, 1, 1, 2, 2)
    assert grammar.aspects[1].coarse == (0, 0, 1, 1, 2, 2)


def test_captions_are_the_images_and_the_seeds():
    """The same sentence whatever the batch; another at another seed; `caption` and a training's are one."""
    rows = [[2, 0, 10, 3, 4], [1, 5, 0, 30, 31]]
    writer, sizes = Writer(grammar_of("dsprites")), entry("dsprites").factor_sizes
    indices = [sum(c * math.prod(sizes[k + 1 :]) for k, c in enumerate(row)) for row in rows]
    chances = keyed_uniform(
        torch.tensor([0, 7]), "captions", torch.tensor([indices, indices]), writer.chances
    )
    words = writer(torch.tensor([rows, rows]), chances).words
    for place, seed in enumerate((0, 7)):
        assert [writer.text(one) for one in words[place]] == [caption("dsprites", row, seed) for row in rows]
    assert len({caption("dsprites", rows[0], seed) for seed in range(20)}) > 15


def test_what_must_be_named_is():
    """Whatever the chances; and with nothing else named, only that."""
    writer, (factors, chances) = Writer(grammar_of("shapes3d")), drawn("shapes3d", 50)
    said = writer(factors, chances, named=1e-9, always=("shape", "floor_hue")).said
    assert torch.equal(said[:, [0, 4]], factors[:, [0, 4]])
    assert (said[:, [1, 2, 3, 5]] == NOT_NAMED).all()


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_numbers_of_words(data_set):
    """A sentence as a model is told it is what the writer makes of it; words first, then none, all within the table."""
    grammar, (factors, chances) = grammar_of(data_set), drawn(data_set, 100)
    writer = Writer(grammar)
    words = writer(factors, chances).words
    assert words.shape == (100, grammar.length)
    assert len(grammar.words) <= MOST_WORDS
    for row in words:
        assert torch.equal(numbered(grammar, writer.text(row)), row)
        filled = row != NO_WORD
        assert filled.any()
        assert torch.equal(filled, filled.sort(descending=True, stable=True).values)
    assert writer(factors.reshape(4, 25, -1), chances.reshape(4, 25, -1)).words.shape == (
        4,
        25,
        grammar.length,
    )


def test_unknown_words_are_answered_with_known_ones():
    """One line: the word, the nearest, and all words by the factor that they speak of."""
    with pytest.raises(BadInput) as caught:
        parse("dsprites", "a smal rhombus at the top")
    line = str(caught.value)
    assert line.startswith(
        "unknown word 'smal'; did you mean 'small'? known words of scale: small little tiny"
    )
    assert "of shape: sprite figure square ellipse oval heart shape" in line
    assert "\n" not in line
    with pytest.raises(BadInput, match="unknown word 'rhombus'; known words of"):
        parse("dsprites", "a small rhombus")
    with pytest.raises(BadInput, match="unknown word 'floor'"):
        parse("dsprites", "a heart on a floor")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("a small large heart", "says two things of scale: small and large"),
        (
            "an upper heart",
            "'upper' says nothing where it stands in 'an upper heart'; it is used in: upper part",
        ),
        (" ,. ", "a caption has words"),
        ("the", "'the' says nothing; known words of scale: small little tiny"),
        ("that is there", "'that is there' says nothing; known words of scale"),
    ],
)
def test_sentences_that_make_no_sense(text, answer):
    """Contradictions, words out of place, no words."""
    with pytest.raises(BadInput, match=answer):
        parse("dsprites", text)


def test_sentences_can_be_too_long():
    """More words than the longest caption."""
    with pytest.raises(BadInput, match="a caption has at most 18 words, got 19"):
        numbered(grammar_of("dsprites"), "heart " * 19)


def test_data_sets_without_a_grammar():
    """The line names those that have one."""
    with pytest.raises(BadInput, match="no captions of cars3d: there is a grammar for dsprites"):
        caption("cars3d", [0, 0, 0])


def test_grammars_refuse_what_could_not_be_read_back():
    """A factor said twice or not at all, a phrase of two meanings or none."""
    aspect = Aspect("digit", ("no", "yes"), (0, 1))
    good = slot("digit", ("no",), ("yes",))
    Grammar((aspect,), {"digit": good}, ("a {digit}",))
    for slots, template, wrong in (
        ({"digit": good}, "a thing", "speaks of"),
        ({"digit": good}, "{digit} {digit}", "speaks of digit, digit"),
        ({"digit": slot("digit", ("no",), ("a no",))}, "a {digit}", "'no' means"),
        ({"digit": slot("digit", ("the",), ("yes",))}, "a {digit}", "'the' says nothing"),
        ({"digit": slot("digit", ("no",))}, "a {digit}", "has nothing to say"),
    ):
        with pytest.raises(ValueError, match=wrong):
            Grammar((aspect,), slots, (template,))


def test_every_grammar_speaks_of_its_data_sets_factors():
    """In their order, with a coarse class for each class; idle words say nothing anywhere."""
    for name, grammar in GRAMMARS.items():
        data_set = entry(name)
        assert tuple(aspect.factor for aspect in grammar.aspects) == data_set.factor_names
        assert tuple(len(aspect.coarse) for aspect in grammar.aspects) == data_set.factor_sizes
        for aspect in grammar.aspects:
            assert set(aspect.coarse) == set(range(len(aspect.labels)))
        assert not any(IDLE & set(key) for key in grammar.meanings)
