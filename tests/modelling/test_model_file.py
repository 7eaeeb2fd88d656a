"""The file of a model: plain arrays in a zip that is the same for the same content, and sizes that are not believed."""

import io
import zipfile

import numpy as np
import pytest

from churnflow.modelling.model_file import HEADER, MAX_HEADER_BYTES, MAX_MODEL_BYTES, pack, unpack
from tests.archives import nested

ARRAYS = {"a": np.array([1.5, -0.0, 1e300]), "b": np.array([[1, 2], [3, 4]], "<i4"), "c": np.zeros(0, "<f4")}


def npy(version: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.zeros(2), version=version)
    return buffer.getvalue()


def with_entry(name: str, data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(pack({}, ARRAYS))) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for entry, content in {**files, name: data}.items():
            archive.writestr(entry, content)
    return buffer.getvalue()


def test_header_and_arrays_come_back_as_they_were() -> None:
    header, arrays = unpack(pack({"name": "Zoë", "number": 0.1}, ARRAYS))
    assert header == {"name": "Zoë", "number": 0.1}
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
    assert np.signbit(arrays["a"][1])


def test_equal_content_makes_equal_bytes_whatever_the_order_and_layout() -> None:
    turned = {name: np.asfortranarray(array) for name, array in reversed(ARRAYS.items())}
    assert pack({"x": 1, "y": 2}, ARRAYS) == pack({"y": 2, "x": 1}, turned)


def test_arrays_read_can_not_be_changed() -> None:
    _, arrays = unpack(pack({}, ARRAYS))
    with pytest.raises(ValueError, match="read-only"):
        arrays["a"][0] = 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\0" * (MAX_MODEL_BYTES + 1), "longer than"),
        (with_entry(HEADER, b'"' + b"x" * MAX_HEADER_BYTES + b'"'), "cannot be read"),
        (with_entry("a.npy", npy((2, 0))), "unknown version"),
        (with_entry("notes.txt", b""), "unknown kind"),
    ],
    ids=["too long", "header too long", "another version", "another kind"],
)
def test_what_is_too_large_or_of_another_form_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=f"not a usable model: .*{said}"):
        unpack(data)


def test_entries_that_share_their_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="entries are longer than the file"):
        unpack(nested([f"{number}.npy" for number in range(50)] + [HEADER], npy((1, 0))))


def test_a_header_that_json_can_not_hold_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack({"threshold": float("nan")}, ARRAYS)
