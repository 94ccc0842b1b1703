"""What scores are called where people read."""

from disbench.bench.evaluation import SCORES
from disbench.bench.score_names import NAMES, full_name, short_name
from disbench.bench.tables import READABLE


def test_names_are_of_columns_and_tell_them_apart():
    """No name of a column that is none, no name twice, and every readable column has one."""
    assert set(NAMES) <= set(SCORES)
    assert set(READABLE) <= set(NAMES)
    for names in zip(*NAMES.values(), strict=True):
        assert len(set(names)) == len(names)


def test_a_name_is_one_everywhere():
    """Tables abbreviate what figures write out; informativeness says that it is an accuracy here."""
    assert (short_name("sap"), full_name("sap")) == ("SAP", "SAP")
    assert (short_name("reconstruction_nats"), full_name("reconstruction_nats")) == (
        "recon.",
        "reconstruction",
    )
    assert "accuracy" in short_name("dci_informativeness")
    assert "accuracy" in full_name("dci_informativeness")


def test_columns_without_a_name_keep_their_own():
    """As it is in a table, where it is what `--scores` takes, and in words in a figure."""
    assert short_name("iwae_gain_nats") == "iwae_gain_nats"
    assert full_name("iwae_gain_nats") == "iwae gain"
