"""What a sweep says of its progress where there is no terminal."""

import pytest

from disbench.bench import progress as module
from disbench.bench.duration import duration
from disbench.bench.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that stand still until they are set."""
    seconds = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: seconds[0])
    return seconds


def test_speed_is_from_the_first_images_on(clock, capsys):
    """A minute of starting counts neither as training nor as a forecast; then 100 images/s, 8,000 of them left."""
    progress = Progress(models=2, images=10_000)
    clock[0] = 60.0
    progress.images(0)
    assert "about" not in capsys.readouterr().err
    clock[0] = 80.0
    progress.images(2_000)
    assert capsys.readouterr().err == "0 of 2 models, 100 images/s, 1 min 20 s, about 1 min 20 s left: \n"


def test_nothing_is_forecast_from_a_few_seconds(clock, capsys):
    progress = Progress(models=2, images=10_000)
    progress.images(64)
    clock[0] = 11.0
    progress.images(64)
    assert capsys.readouterr().err == "0 of 2 models, 11 s: \n"


def test_the_last_model_is_said_at_once(clock, capsys):
    progress = Progress(models=1, images=100)
    progress.images(100)
    progress.models_end(1)
    assert capsys.readouterr().err == "1 of 1 models, 0.0 s: \n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (7.5, "7.5 s"), (48.4, "48 s"), (200, "3 min 20 s"), (18_420, "5 h 7 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
