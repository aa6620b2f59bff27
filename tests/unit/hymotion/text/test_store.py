"""The store of embeddings: what is kept, what is damaged, what has to go."""

import errno
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from hymotion.conditioning import TextConditioning
from hymotion.text.entry import pack, prompt_hash
from hymotion.text.errors import StoreError
from hymotion.text.store import EmbeddingStore

REVISION = "te-0123456789ab+int8"
ROOMY = 10**9


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def make_text(
    seed: int, *, tokens: int = 5, dtype: torch.dtype = torch.bfloat16
) -> TextConditioning:
    generator = torch.Generator().manual_seed(seed)
    return TextConditioning(
        vtxt=torch.randn(1, 24, generator=generator),
        ctxt=torch.randn(tokens, 48, generator=generator).to(dtype),
        length=tokens,
    )


def same(one: TextConditioning | None, other: TextConditioning) -> bool:
    return (
        one is not None
        and one.length == other.length
        and one.ctxt.dtype == other.ctxt.dtype
        and torch.equal(one.vtxt, other.vtxt)
        and torch.equal(one.ctxt, other.ctxt[: other.length])
    )


def open_store(root: Path, *, capacity: int = ROOMY, clock: Clock | None = None) -> EmbeddingStore:
    return EmbeddingStore(root, revision=REVISION, capacity=capacity, clock=clock or Clock())


def path_of(root: Path, prompt: str) -> Path:
    name = prompt_hash(prompt)
    return root / REVISION / name[:2] / f"{name}.safetensors"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float16])
def test_what_is_put_comes_back_exactly(tmp_path: Path, dtype: torch.dtype) -> None:
    store = open_store(tmp_path)
    for prompt in ("a person walks", "", "跳 😀", "../../etc/passwd", "a\ud83d", "x" * 100_000):
        text = make_text(len(prompt), dtype=dtype)
        assert store.get(prompt) is None
        assert not store.has(prompt)
        assert store.put(prompt, text)
        assert store.has(prompt)
        assert same(open_store(tmp_path).get(prompt), text)
    assert store.counts == {"misses": 6, "stored": 6, "removed": 0}
    assert all(path.parent.parent.name == REVISION for path in tmp_path.rglob("*.safetensors"))


def test_padding_is_not_kept(tmp_path: Path) -> None:
    text = make_text(1, tokens=9)
    padded = TextConditioning(vtxt=text.vtxt, ctxt=text.ctxt, length=4)
    store = open_store(tmp_path)
    store.put("walk", padded)
    found = store.get("walk")
    assert same(found, padded)
    assert found is not None
    assert found.ctxt.shape == (4, 48)


def test_each_byte_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    text = make_text(1, tokens=1)
    store.put("walk", text)
    path = path_of(tmp_path, "walk")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        found = store.get("walk")
        # A flip in the header may leave its meaning as it was: the numbers must then be right.
        assert found is None or same(found, text)
        assert path.exists() == (found is not None)
    assert store.counts["remade"] > 0.9 * len(whole)


@pytest.mark.parametrize("content", [b"", b"1234567", b"\xff" * 400, b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_entry_is_removed_and_made_again(tmp_path: Path, content: bytes) -> None:
    store = open_store(tmp_path)
    store.put("walk", make_text(1))
    path_of(tmp_path, "walk").write_bytes(content)
    assert store.has("walk")
    assert store.get("walk") is None
    assert not store.has("walk")
    assert (store.counts["misses"], store.counts["remade"]) == (1, 1)
    assert store.put("walk", make_text(2))
    assert same(store.get("walk"), make_text(2))


def test_an_entry_cut_short_or_of_another_prompt_is_not_taken(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("walk", make_text(1))
    whole = path_of(tmp_path, "walk").read_bytes()
    path_of(tmp_path, "walk").write_bytes(whole[:-1])
    assert store.get("walk") is None
    path_of(tmp_path, "jump").parent.mkdir(exist_ok=True)
    path_of(tmp_path, "jump").write_bytes(whole)
    assert store.get("jump") is None
    assert store.counts["remade"] == 2


def test_numbers_are_not_taken_for_another_types(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("walk", make_text(1))
    path = path_of(tmp_path, "walk")
    whole = path.read_bytes()
    assert b'"dtype":"BF16"' in whole
    path.write_bytes(whole.replace(b'"dtype":"BF16"', b'"dtype": "F16"'))
    assert store.get("walk") is None


def test_another_revision_is_another_store(tmp_path: Path) -> None:
    open_store(tmp_path).put("walk", make_text(1))
    other = EmbeddingStore(tmp_path, revision="te-other", capacity=ROOMY)
    assert not other.has("walk")
    assert other.get("walk") is None


@pytest.mark.parametrize("revision", ["", "../x", "a/b", ".hidden", "te-0\n", "x" * 200])
def test_a_revision_is_no_path(tmp_path: Path, revision: str) -> None:
    with pytest.raises(StoreError, match="revision"):
        EmbeddingStore(tmp_path, revision=revision, capacity=ROOMY)


def test_a_store_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="capacity"):
        open_store(tmp_path, capacity=0)


def test_a_full_disk_is_reported_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path)
    store.put("walk", make_text(1))

    def full(path: Path, _times: object) -> None:
        assert path.stat().st_size
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.utime", full)
    assert not store.put("jump", make_text(2))
    assert not store.has("jump")
    assert store.problem is not None
    assert "No space left" in store.problem
    assert (store.counts["stored"], store.counts["unstored"]) == (1, 1)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [path_of(tmp_path, "walk")]
    monkeypatch.undo()
    assert store.put("jump", make_text(2))


def test_a_root_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")
    store = open_store(tmp_path / "root")
    assert not store.put("walk", make_text(1))
    assert store.get("walk") is None


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    clock = Clock()
    store = open_store(tmp_path, clock=clock)
    for number in range(10):
        clock.now += 1000
        store.put(f"p{number}", make_text(number))
    size = path_of(tmp_path, "p0").stat().st_size
    clock.now += 1000
    assert store.get("p0") is not None
    small = open_store(tmp_path, capacity=int(5.5 * size), clock=clock)
    clock.now += 1000
    assert small.sweep() == 5
    kept = [number for number in range(10) if small.has(f"p{number}")]
    assert kept == [0, 6, 7, 8, 9]
    assert small.counts["removed"] == 5
    assert small.sweep() == 0


def test_what_was_used_since_the_last_look_stays(tmp_path: Path) -> None:
    clock = Clock()
    size = len(pack("walk", make_text(1)))
    store = open_store(tmp_path, capacity=int(8.5 * size), clock=clock)
    for number in range(8):
        clock.now += 1000
        store.put(f"p{number}", make_text(number))
    assert store.sweep() == 0
    clock.now += 1000
    open_store(tmp_path, clock=clock).get("p0")
    clock.now += 1000
    # A ninth entry brings a look at one folder, which is not that of the first.
    store.put("p8", make_text(8))
    assert store.counts["removed"] > 0
    assert store.has("p0")
    assert not store.has("p1")


def test_use_is_noted_once_in_a_while(tmp_path: Path) -> None:
    clock = Clock()
    store = open_store(tmp_path, clock=clock)
    store.put("walk", make_text(1))
    put_at = clock.now
    clock.now += 500
    store.get("walk")
    assert path_of(tmp_path, "walk").stat().st_mtime == put_at
    clock.now += 500
    store.get("walk")
    assert path_of(tmp_path, "walk").stat().st_mtime == clock.now


def test_putting_keeps_to_the_size_and_spares_what_was_just_put(tmp_path: Path) -> None:
    clock = Clock()
    store = open_store(tmp_path, capacity=20_000, clock=clock)
    most = 0
    for number in range(200):
        clock.now += 100
        store.put(f"p{number}", make_text(number))
        assert store.has(f"p{number}")
        most = max(most, sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")))
    # It looks at every eighth entry, so it may be eight entries too large.
    assert most < 20_000 + 9 * path_of(tmp_path, "p199").stat().st_size
    assert store.counts["removed"] > 150
    hurried = open_store(tmp_path, capacity=1, clock=clock)
    clock.now += 59
    hurried.sweep()
    assert store.has("p199")


def test_other_revisions_age_and_abandoned_files_go(tmp_path: Path) -> None:
    clock = Clock()
    old = EmbeddingStore(tmp_path, revision="te-old", capacity=ROOMY, clock=clock)
    old.put("walk", make_text(1))
    store = open_store(tmp_path, capacity=1000, clock=clock)
    left = tmp_path / "te-old" / "00" / ".x.part"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    clock.now = left.stat().st_mtime + 3599
    store.sweep()
    assert left.exists()
    clock.now += 2
    store.put("jump", make_text(2))
    store.sweep()
    assert not left.exists()
    assert not old.has("walk")
    assert store.has("jump")


def _work(root: str, number: int) -> tuple[int, int, int, int]:
    store = EmbeddingStore(Path(root), revision=REVISION, capacity=20_000)
    store._sweeper._clock = lambda: time.time() + 120  # so that nothing is spared
    wrong = 0
    for turn in range(150):
        prompt = (turn * 7 + number * 3) % 40
        found = store.get(f"p{prompt}")
        if found is None:
            store.put(f"p{prompt}", make_text(prompt))
        elif not same(found, make_text(prompt)):
            wrong += 1
        if turn % 20 == 0:
            store.sweep()
    return wrong, store.counts["remade"], store.counts["unstored"], store.counts["removed"]


def test_processes_put_get_and_sweep_at_once(tmp_path: Path) -> None:
    context = get_context("forkserver")
    context.set_forkserver_preload(["hymotion.text.store"])  # torch is imported once, not by each
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        done = [*pool.map(_work, [str(tmp_path)] * 4, range(4))]
    assert [counts[:3] for counts in done] == [(0, 0, 0)] * 4
    assert sum(counts[3] for counts in done) > 40
    assert not [*tmp_path.rglob("*.part")]
    assert open_store(tmp_path).sweep() == 0
