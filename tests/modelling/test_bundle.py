"""A release bundle reads back exactly, or is refused; nothing in between."""

import io
import json
import random
import zipfile
from pathlib import Path

import pytest

from churnflow.modelling import bundle
from churnflow.modelling.bundle import pack_bundle, read_bundle, read_limited, unpack_bundle, write_bundle
from tests.archives import nested

FILES = {"model.bin": bytes(range(256)), "schema.json": b"{}", "card.json": b'{"model":"forest"}'}


def zipped(entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def entries_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_bundle(FILES, tmp_path / "a.release")
    assert read_bundle(tmp_path / "a.release") == FILES


def test_equal_content_makes_equal_bytes_whatever_the_order() -> None:
    assert pack_bundle(FILES) == pack_bundle(dict(reversed(FILES.items())))


def test_the_manifest_names_form_model_and_digests() -> None:
    manifest = json.loads(entries_of(pack_bundle(FILES))["manifest.json"])
    assert manifest["schema"] == "churnflow/release@1"
    assert manifest["model"] == "forest"
    assert manifest["files"]["schema.json"] == {
        "bytes": 2,
        "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    }


@pytest.mark.parametrize("card", [b"", b"[]", b"\xff", b'{"model": 3}'])
def test_a_card_without_a_model_name_leaves_it_open(card: bytes) -> None:
    assert json.loads(entries_of(pack_bundle({"card.json": card}))["manifest.json"])["model"] is None


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/b", ".hidden", "", "manifest.json", "A", "a.b.c", "c:x", "x\n"]
)
def test_a_name_that_is_not_plain_is_neither_written_nor_read(name: str) -> None:
    with pytest.raises(ValueError, match="not a file name"):
        pack_bundle({name: b""})
    if name not in {"", "manifest.json"}:
        with pytest.raises(ValueError, match="bundle"):
            unpack_bundle(zipped([*entries_of(pack_bundle(FILES)).items(), (name, b"")]))


def test_altered_missing_and_unlisted_files_are_named() -> None:
    whole = entries_of(pack_bundle(FILES))
    with pytest.raises(ValueError, match=r"model\.bin in the bundle differs"):
        unpack_bundle(zipped([*{**whole, "model.bin": b"x"}.items()]))
    with pytest.raises(ValueError, match=r"model\.bin is missing"):
        unpack_bundle(zipped([(name, data) for name, data in whole.items() if name != "model.bin"]))
    with pytest.raises(ValueError, match=r"more\.bin is in the bundle but not in its manifest"):
        unpack_bundle(zipped([*whole.items(), ("more.bin", b"x")]))
    with pytest.raises(ValueError, match=r"no manifest\.json"):
        unpack_bundle(zipped([(name, data) for name, data in whole.items() if name != "manifest.json"]))


def test_files_that_share_their_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="entries are longer than the file"):
        unpack_bundle(nested([f"f{number}.bin" for number in range(50)], b"x" * 1000))


def test_a_file_beyond_the_largest_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="not a release bundle"):
        unpack_bundle(nested(["model.bin"], b"x", shift=2**63))


def test_a_file_given_twice_is_refused() -> None:
    whole = entries_of(pack_bundle(FILES))
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped([*whole.items(), ("model.bin", FILES["model.bin"])])
    with pytest.raises(ValueError, match="twice"):
        unpack_bundle(data)


def test_a_compressed_entry_is_refused_before_it_is_inflated() -> None:
    with pytest.raises(ValueError, match="compressed"):
        unpack_bundle(zipped([("model.bin", b"0" * 10_000_000)], zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"[" * 100_000, b'{"schema":"other","files":{}}', b'{"schema":"churnflow/release@1","files":[]}'],
)
def test_a_manifest_of_another_form_is_refused(manifest: bytes) -> None:
    with pytest.raises(ValueError, match=r"manifest\.json"):
        unpack_bundle(zipped([("manifest.json", manifest)]))


def test_too_many_files_and_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="at most 64 files"):
        pack_bundle({f"f{number}": b"" for number in range(65)})
    data = pack_bundle(FILES)
    monkeypatch.setattr(bundle, "MAX_BUNDLE_BYTES", 100)
    monkeypatch.setattr(bundle, "MAX_MANIFEST_BYTES", 50)
    with pytest.raises(ValueError, match="at most 100 bytes"):
        pack_bundle(FILES)
    with pytest.raises(ValueError, match="longer than the 100 bytes"):
        unpack_bundle(data)
    (tmp_path / "long").write_bytes(b"123")
    with pytest.raises(ValueError, match="long is longer than the 2 bytes"):
        read_limited(tmp_path / "long", 2)


def test_no_truncation_and_no_flipped_bit_passes_unnoticed() -> None:
    data = pack_bundle(FILES)
    for length in range(len(data)):
        with pytest.raises(ValueError, match="bundle"):
            unpack_bundle(data[:length])
    chance = random.Random(0)
    for _ in range(2000):
        place = chance.randrange(len(data))
        altered = data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
        try:
            files = unpack_bundle(altered)
        except ValueError:
            continue
        assert files == FILES
