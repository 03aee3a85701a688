"""Publishing, finding and checking artifacts, on objects in memory and in files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.errors import DamagedArtifact, StoreError
from schemas.manifest import FileRecord, Manifest
from tasks.store.cache import LocalCache
from tasks.store.canonical import canonical_json, digest_key
from tasks.store.memory import MemoryObjects
from tasks.store.records import MemoryRecords
from tasks.store.store import Store, new_version, output_record
from tasks.store.verification import unreadable_artifacts, verify_artifacts

KEY = "ab" * 32


@pytest.fixture(params=["memory", "local"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return Store.open(tmp_path / "store")
    return Store(tmp_path / "store", MemoryRecords(), MemoryObjects(), LocalCache(None))


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def artifact(store: Store, folder: Path, text: str, key: str = KEY, node: str = "clean") -> Manifest:
    path = folder / f"{text}-{key[:4]}.txt"
    path.write_text(text)
    digest, size = store.objects.take(path)
    return Manifest(
        node=node,
        stage=node,
        version=new_version(key),
        key=key,
        settings={},
        stage_version=1,
        code="",
        inputs=[],
        outputs={"data": output_record([FileRecord(name="data.txt", digest=digest, size=size)])},
        started="",
        seconds=0,
        cpu_seconds=0,
        peak_memory_bytes=0,
    )


def test_what_is_published_is_found(store: Store, tmp_path: Path) -> None:
    assert store.lookup(KEY).state == "absent"
    manifest, won = store.publish(artifact(store, tmp_path, "text"))
    found = store.lookup(KEY)
    assert won and found.state == "hit" and found.manifest == manifest
    assert store.verified_path(manifest.outputs["data"].files[0]).read_text() == "text"


def test_the_first_of_two_publishers_wins_and_the_other_gets_its_artifact(store: Store, tmp_path: Path) -> None:
    first, _ = store.publish(artifact(store, tmp_path, "text"))
    second, won = store.publish(artifact(store, tmp_path, "text"))
    assert not won and second.version == first.version
    assert [found.version for found in store.published()] == [first.version]


def test_a_rebuild_swaps_the_pointer(store: Store, tmp_path: Path) -> None:
    store.publish(artifact(store, tmp_path, "one"))
    again, won = store.publish(artifact(store, tmp_path, "two"), store.lookup(KEY).etag)
    assert won and store.lookup(KEY).manifest == again


def test_a_missing_object_is_damage_with_its_name(store: Store, tmp_path: Path) -> None:
    manifest, _ = store.publish(artifact(store, tmp_path, "text"))
    store.objects.discard(manifest.outputs["data"].files[0].digest)
    found = store.lookup(KEY)
    assert found.state == "damaged" and "data/data.txt is missing" in found.reason


def test_content_digests_depend_on_names_and_bytes_only(store: Store, tmp_path: Path) -> None:
    one = artifact(store, tmp_path, "text", "ab" * 32)
    two = artifact(store, tmp_path, "text", "cd" * 32, "dedup")
    assert one.outputs["data"].digest == two.outputs["data"].digest


def test_a_truncated_object_is_seen_by_its_size(local: Store, tmp_path: Path) -> None:
    manifest, _ = local.publish(artifact(local, tmp_path, "text"))
    path = local.objects.path(manifest.outputs["data"].files[0].digest)
    path.chmod(0o644)
    os.truncate(path, 2)
    assert "has 2 bytes instead of 4" in local.lookup(KEY).reason


def test_a_flipped_byte_is_seen_when_the_bytes_are_read(local: Store, tmp_path: Path) -> None:
    manifest, _ = local.publish(artifact(local, tmp_path, "text"))
    file = manifest.outputs["data"].files[0]
    local.verified_path(file)
    path = local.objects.path(file.digest)
    path.chmod(0o644)
    path.write_text("tezt")
    with pytest.raises(DamagedArtifact, match="does not have the bytes"):
        local.verified_path(file)
    assert [damage.damage for damage in verify_artifacts(local, [manifest])]
    assert local.lookup(KEY).state == "damaged"


@pytest.mark.parametrize("text", ["", "{", '{"format": 99}', "[]"])
def test_an_unreadable_or_unknown_manifest_is_a_miss_with_its_reason(local: Store, tmp_path: Path, text: str) -> None:
    manifest, _ = local.publish(artifact(local, tmp_path, "text"))
    (local.root / "artifacts" / "clean" / manifest.version / "manifest.json").write_text(text)
    found = local.lookup(KEY)
    assert found.state == "damaged" and "manifest" in found.reason


def test_a_flipped_byte_of_a_manifest_is_a_miss_with_its_reason(local: Store, tmp_path: Path) -> None:
    manifest, _ = local.publish(artifact(local, tmp_path, "text"))
    path = local.root / "artifacts" / "clean" / manifest.version / "manifest.json"
    path.write_text(path.read_text().replace(manifest.outputs["data"].digest, "0" * 64))
    found = local.lookup(KEY)
    assert found.state == "damaged" and "manifest" in found.reason and "bytes" in found.reason
    assert [damage.version for damage in verify_artifacts(local, local.published())] == []
    assert [(damage.version, damage.damage) for damage in unreadable_artifacts(local)] == [(KEY, found.reason)]


@pytest.mark.parametrize(
    "pointer", [b'{"node": "../..", "version": "x"}', b'{"node": "a\\u0000", "version": ""}', b"[]"]
)
def test_a_pointer_that_leads_out_of_the_store_is_a_miss(local: Store, pointer: bytes) -> None:
    (local.root / "keys").mkdir()
    (local.root / "keys" / KEY).write_bytes(pointer)
    assert local.lookup(KEY).state == "damaged"
    assert list(local.published()) == [] and [key for key, _ in local.broken_pointers()] == [KEY]


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_file_of_a_manifest_cannot_lie_outside_its_output(local: Store, tmp_path: Path, name: str) -> None:
    manifest = artifact(local, tmp_path, "text")
    with pytest.raises(ValueError, match="no name inside"):
        Manifest.model_validate_json(manifest.model_dump_json().replace("data.txt", name))


def test_a_pointer_that_vanished_is_set_again_by_a_rebuild(local: Store, tmp_path: Path) -> None:
    local.publish(artifact(local, tmp_path, "text"))
    etag = local.lookup(KEY).etag
    (local.root / "keys" / KEY).unlink()
    _, won = local.publish(artifact(local, tmp_path, "text"), etag)
    assert won and local.lookup(KEY).state == "hit"


def test_an_unreadable_pointer_is_a_miss_and_can_be_swapped(local: Store, tmp_path: Path) -> None:
    local.publish(artifact(local, tmp_path, "text"))
    (local.root / "keys" / KEY).write_bytes(b"\x00")
    found = local.lookup(KEY)
    assert found.state == "damaged"
    _, won = local.publish(artifact(local, tmp_path, "text"), found.etag)
    assert won and local.lookup(KEY).state == "hit"


def test_storing_the_same_bytes_again_mends_an_altered_object(local: Store, tmp_path: Path) -> None:
    manifest, _ = local.publish(artifact(local, tmp_path, "text"))
    path = local.objects.path(manifest.outputs["data"].files[0].digest)
    path.unlink()
    path.write_text("tezt")
    again = tmp_path / "again.txt"
    again.write_text("text")
    local.objects.take(again)
    assert path.read_text() == "text"


def test_a_lost_file_of_the_view_is_linked_again(local: Store, tmp_path: Path) -> None:
    manifest, _ = local.publish(artifact(local, tmp_path, "text"))
    shown = local.root / "artifacts" / "clean" / manifest.version / "data" / "data.txt"
    assert shown.read_text() == "text"
    shown.unlink()
    assert local.lookup(KEY).state == "hit"
    shown.unlink()
    shown.write_text("other")
    assert local.lookup(KEY).state == "hit" and shown.read_text() == "text"


def test_a_store_of_another_format_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path / "store")
    (tmp_path / "store" / "store.json").write_text('{"format": 99}')
    with pytest.raises(StoreError, match="format 99"):
        Store.open(tmp_path / "store")


def test_a_file_in_the_place_of_a_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Store.open(tmp_path / "store")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, Path("x"), {"a": {1, 2}}, b"bytes", object()])
def test_what_has_no_stable_form_enters_no_key(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


def test_an_absolute_path_enters_no_key() -> None:
    with pytest.raises(TypeError, match="absolute path"):
        digest_key({"source": ["/home/somebody/texts"]})


def test_canonical_json_ignores_the_order_of_keys() -> None:
    assert canonical_json({"b": 1, "a": [1.5, None, "汉"]}) == canonical_json({"a": [1.5, None, "汉"], "b": 1})


def test_a_broken_cache_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").write_bytes(b"this is no database at all, and long enough to be looked at" * 30)
    cache = LocalCache(tmp_path / "cache.sqlite")
    cache.put_note("k", "v")
    assert LocalCache(tmp_path / "cache.sqlite").note("k") == "v"
