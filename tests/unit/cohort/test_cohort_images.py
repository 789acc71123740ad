"""A volume as a study asks for it: the same millimetres wherever it was taken."""

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import save

from rapha.cohort.images import image_array
from rapha.errors import ConfigurationError
from rapha.records.dense import ImageFeature

WINDOW = {"until": "index"}


def feature(shape, spacing, window=(0, 100), **more):
    return ImageFeature.model_validate(
        {"of": "ct", "during": WINDOW, "shape": shape, "spacing": spacing, "window": window} | more
    )


def volume(voxels, spacing=(1.0, 1.0, 1.0)):
    return save(
        {"voxels": np.array(voxels, dtype=np.float32, order="C"), "spacing": np.array(spacing, dtype=np.float64)}
    )


RAMP = np.broadcast_to(np.arange(16, dtype=np.float32), (8, 8, 16))


def test_of_its_own_size_and_spacing_it_is_only_scaled():
    array = image_array(volume(RAMP), feature([8, 8, 16], [1, 1, 1], (0, 15)))
    assert array.dtype == np.float32 and array.shape == (8, 8, 16)
    assert np.allclose(array, RAMP / 15)


def test_twice_as_coarse_lies_between_the_samples():
    array = image_array(volume(RAMP), feature([8, 8, 8], [1, 1, 2], (0, 15)))
    assert np.allclose(array[0, 0] * 15, [0.5, 2.5, 4.5, 6.5, 8.5, 10.5, 12.5, 14.5])


def test_half_the_spacing_is_linear_in_between():
    array = image_array(volume(RAMP), feature([8, 8, 8], [1, 1, 0.5], (0, 15)))
    assert np.allclose(array[0, 0] * 15, 7.5 + (np.arange(8) - 3.5) / 2)


def test_beyond_the_ends_is_nothing_and_the_middle_stays_the_middle():
    array = image_array(volume(RAMP), feature([8, 8, 24], [1, 1, 1], (0, 15)))
    assert array[0, 0, :4].tolist() == [0] * 4 and array[0, 0, -4:].tolist() == [0] * 4
    assert np.allclose(array[0, 0, 4:20] * 15, np.arange(16))


def test_the_same_body_by_two_devices_looks_the_same():
    fine = np.broadcast_to(np.sin(np.arange(64) / 8)[None, None] * 50 + 50, (8, 8, 64))
    coarse = fine[:, :, :].reshape(8, 8, 32, 2).mean(axis=3)
    wanted = feature([8, 8, 16], [1, 1, 1.5])
    one = image_array(volume(fine, (1, 1, 0.5)), wanted)
    two = image_array(volume(coarse, (1, 1, 1.0)), wanted)
    assert np.abs(one - two).max() < 0.02


def test_what_lies_outside_of_the_window_is_cut_off():
    array = image_array(volume(RAMP), feature([8, 8, 16], [1, 1, 1], (5, 10)))
    assert array.min() == 0 and array.max() == 1


def test_percentiles_of_its_own_values_are_the_same_on_a_scanner_of_another_scale_and_with_more_air_around():
    """Numbers of MR have no unit: one scanner's 100 is another's 900."""
    head = np.random.default_rng(3).gamma(4, 30, (16, 16, 16)).astype(np.float32) + 20
    wanted = feature([8, 8, 8], [1, 1, 1], (1, 99), intensity="percentiles")
    one = image_array(volume(head), wanted)
    other = image_array(volume(np.pad(head * 7 + 300, 8, constant_values=0)), wanted)
    assert np.abs(one - other).max() < 0.005
    assert 0 < one.mean() < 1 and np.percentile(one, 50) == pytest.approx(0.35, abs=0.15)


def test_a_volume_of_one_value_has_no_percentiles_and_is_nothing():
    wanted = feature([8, 8, 16], [1, 1, 1], (1, 99), intensity="percentiles")
    assert not image_array(volume(np.full((8, 8, 16), 7.0)), wanted).any()


def test_a_window_in_percent_is_one_and_a_study_without_it_is_written_as_before():
    for window, more in (((-1, 50), {}), ((0, 101), {}), ((1, 99), {"beside": [0, 1]})):
        with pytest.raises(ValidationError, match="in percent"):
            feature([8, 8, 8], [1, 1, 1], window, intensity="percentiles", **more)
    assert "intensity" not in feature([8, 8], [1, 1]).model_dump()
    assert feature([8, 8], [1, 1], intensity="percentiles").model_dump()["intensity"] == "percentiles"


def test_a_picture_of_two_sides_and_none_of_several_slices():
    assert image_array(volume(RAMP[:1]), feature([8, 16], [1, 1], (0, 15))).shape == (8, 16)
    with pytest.raises(ConfigurationError, match="asks for single pictures"):
        image_array(volume(RAMP), feature([8, 16], [1, 1]))


@pytest.mark.parametrize(
    "content",
    [b"", b"junk", save({"voxels": RAMP.copy(order="C")}), save({"voxels": RAMP[0].copy(order="C"), "spacing": np.ones(3)}),
     save({"voxels": RAMP.copy(order="C"), "spacing": np.zeros(3)})],
)  # fmt: skip
def test_what_is_no_volume_is_refused(content):
    with pytest.raises(ConfigurationError, match="is no volume"):
        image_array(content, feature([8, 8, 16], [1, 1, 1]))
