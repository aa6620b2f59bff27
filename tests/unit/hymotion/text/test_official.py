"""What the official encoder does besides its numbers: refusals, memory, progress."""

import json
import shutil
import socket
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hymotion.errors import DeviceError, EncoderMissingError, RequestError
from hymotion.text import official, quantisation
from hymotion.text.errors import EncoderFileError, EncoderLibraryError, EncodingError
from hymotion.text.official import OfficialEncoder
from tests.official import make_qwen


@pytest.fixture
def copy(text_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(text_folder, tmp_path / "text"))


def load(folder: Path, **options: str) -> OfficialEncoder:
    return OfficialEncoder.load(folder, device="cpu", **options)


def test_equal_prompts_are_encoded_once_and_the_order_is_kept(encoder: OfficialEncoder) -> None:
    told: list[tuple[int, int]] = []
    prompts = ["jump", "a person walks", "jump"]
    texts = encoder.encode(prompts, on_batch=lambda done, total: told.append((done, total)))
    assert texts[0] is texts[2]
    assert texts[1].length > texts[0].length
    assert told == [(2, 2)]
    assert encoder.encode([]) == []


def test_what_the_progress_call_raises_ends_the_encoding(encoder: OfficialEncoder) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        encoder.encode(["jump"], on_batch=stop)


def test_a_batch_that_does_not_fit_is_halved(
    text_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(text_folder, dtype="float32")
    assert encoder._qwen is not None
    states = encoder._qwen.states
    sizes: list[int] = []

    def small(chats: Sequence[Sequence[int]]) -> list[Tensor]:
        sizes.append(len(chats))
        if len(chats) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return states(chats)

    monkeypatch.setattr(encoder._qwen, "states", small)
    prompts = [f"a person walks {number} steps" for number in range(10, 22)]
    done: list[int] = []
    texts = encoder.encode(prompts, on_batch=lambda count, total: done.append(count))
    assert sizes == [12, 6, 3, 3, 3, 3]
    assert done == [3, 6, 9, 12]
    alone = load(text_folder, dtype="float32").encode(prompts[5:6])[0]
    torch.testing.assert_close(texts[5].ctxt, alone.ctxt, atol=2e-5, rtol=1e-5)


def test_one_prompt_that_does_not_fit_is_an_error(
    text_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(text_folder)

    def none(chats: Sequence[Sequence[int]]) -> list[Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(encoder._qwen, "states", none)
    with pytest.raises(torch.OutOfMemoryError):
        encoder.encode(["jump", "walk"])


def test_half_a_surrogate_pair_is_refused(encoder: OfficialEncoder) -> None:
    with pytest.raises(RequestError, match="character 1") as caught:
        encoder.encode(["fine", "a\ud83d"])
    assert caught.value.field == "prompt"


def test_features_that_are_not_finite_name_their_prompts(text_folder: Path) -> None:
    encoder = load(text_folder)
    assert encoder._qwen is not None
    weight = encoder._qwen.model.norm.weight
    assert isinstance(weight, Tensor)
    weight.data[3] = float("nan")
    with pytest.raises(EncodingError, match="not finite") as caught:
        encoder.encode(["walk"])
    assert caught.value.prompts == ("walk",)


def test_closing_frees_the_weights(text_folder: Path) -> None:
    encoder = load(text_folder)
    assert encoder._qwen is not None
    kept = [weakref.ref(part) for part in (encoder._qwen, encoder._qwen.model)]
    weights = weakref.ref(next(encoder._qwen.model.parameters()))
    assert encoder.weight_bytes > 100_000
    encoder.close()
    assert [ref() for ref in (*kept, weights)] == [None, None, None]
    assert encoder.weight_bytes == 0
    with pytest.raises(EncodingError, match="closed"):
        encoder.encode(["walk"])
    encoder.close()


def test_the_weights_are_counted_as_they_are_kept(text_folder: Path) -> None:
    half, whole = load(text_folder), load(text_folder, dtype="float32")
    assert half._qwen is not None
    assert half._clip is not None
    numbers = sum(weight.numel() for weight in half._qwen.model.parameters())
    clip = sum(weight.numel() for weight in half._clip.model.parameters())
    assert half.weight_bytes == 2 * numbers + 4 * clip
    assert whole.weight_bytes == 4 * numbers + 4 * clip
    assert not any("lm_head" in name for name, _ in half._qwen.model.named_parameters())


def test_the_revision_tells_how_the_numbers_are_kept(text_folder: Path) -> None:
    recorded = json.loads((text_folder / "encoder.json").read_text())["revision"]
    assert load(text_folder).revision == recorded
    assert load(text_folder, dtype="float32").revision == f"{recorded}+float32"


def test_without_transformers_it_says_how_to_install_it(
    text_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(official, "find_spec", lambda name: None)
    with pytest.raises(EncoderLibraryError, match=r"pip install 'hymo\[official\]'") as caught:
        load(text_folder)
    assert isinstance(caught.value, EncoderMissingError)


def test_unknown_quantisations_and_missing_libraries_are_refused(
    text_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeviceError, match="int8, int4"):
        load(text_folder, quantise="int2")
    with pytest.raises(DeviceError, match="Ampere"):
        load(text_folder, quantise="int4")
    monkeypatch.setattr(quantisation, "find_spec", lambda name: None)
    with pytest.raises(EncoderLibraryError, match=r"hymo\[official,quantised\]"):
        load(text_folder, quantise="int8")


def test_nothing_is_asked_of_a_network(text_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load(text_folder).encode(["walk"])


def test_a_missing_or_other_system_message_is_refused(copy: Path) -> None:
    message = copy / "system_message.txt"
    message.write_text(message.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(EncoderFileError, match="not the system message that was imported"):
        load(copy)
    message.unlink()
    with pytest.raises(EncoderFileError, match="--upstream"):
        load(copy)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ('{"schema": 2}', "schema 2"),
        ('{"schema": 1, "revision": "te-0"}', "lacks"),
    ],
)
def test_a_folder_without_a_sound_identity_is_refused(
    copy: Path, content: str | None, problem: str
) -> None:
    (copy / "encoder.json").unlink()
    if content is not None:
        (copy / "encoder.json").write_text(content)
    with pytest.raises(EncoderFileError, match=problem):
        load(copy)


@pytest.mark.parametrize("part", ["qwen", "clip"])
def test_weights_that_are_missing_or_cut_short_are_refused(copy: Path, part: str) -> None:
    file = min((copy / part).glob("*.safetensors"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EncoderFileError, match="cannot be read"):
        load(copy)
    file.unlink()
    with pytest.raises(EncoderFileError, match=r"tensors missing|has no \*\.safetensors"):
        load(copy)


def test_tensors_of_another_shape_or_type_are_refused(copy: Path) -> None:
    file = copy / "clip" / "model.safetensors"
    tensors = load_file(file)
    name = "text_model.final_layer_norm.weight"
    save_file({**tensors, name: tensors[name][:-1].clone()}, file)
    with pytest.raises(EncoderFileError, match=r"final_layer_norm.weight \[23\], not \[24\]"):
        load(copy)
    save_file({**tensors, name: tensors[name].to(torch.float8_e4m3fn)}, file)
    with pytest.raises(EncoderFileError, match="quantised"):
        load(copy)


@pytest.mark.parametrize(
    ("part", "change", "problem"),
    [
        ("qwen", {"model_type": "llama"}, "'llama', not 'qwen3'"),
        ("qwen", {"quantization_config": {"quant_method": "fp8"}}, "quantised by its publisher"),
        ("clip", {"model_type": "siglip"}, "'siglip', not CLIP"),
    ],
)
def test_other_models_are_refused(
    copy: Path, part: str, change: dict[str, object], problem: str
) -> None:
    file = copy / part / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(EncoderFileError, match=problem):
        load(copy)


def test_a_tokenizer_without_the_marks_of_a_turn_is_refused(copy: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        file = copy / "qwen" / name
        file.write_text(file.read_text().replace("<|im_start|>", "<|begin|>"))
    with pytest.raises(EncoderFileError, match=r"no special token <\|im_start\|>"):
        load(copy)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "chat_template.jinja"])
def test_the_template_of_a_folder_is_never_run(
    copy: Path, encoder: OfficialEncoder, name: str
) -> None:
    """It is a program: this one takes longer than any test runs."""
    file = copy / "qwen" / name
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x"
    if name == "tokenizer_config.json":
        endless = json.dumps({**json.loads(file.read_text()), "chat_template": endless})
    file.write_text(endless)
    (text,) = load(copy, dtype="float32").encode(["walk"])
    torch.testing.assert_close(text.ctxt, encoder.encode(["walk"])[0].ctxt)


def test_weights_of_the_bare_model_load_as_well(copy: Path, encoder: OfficialEncoder) -> None:
    # Saved without its head, a model's tensors have shorter names.
    shutil.rmtree(copy / "qwen")
    folder = make_qwen(copy / "qwen")
    tensors = {
        name.removeprefix("model."): tensor
        for file in folder.glob("*.safetensors")
        for name, tensor in load_file(file).items()
        if name != "lm_head.weight"
    }
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    save_file(tensors, folder / "model.safetensors")
    (text,) = load(copy, dtype="float32").encode(["walk"])
    torch.testing.assert_close(text.ctxt, encoder.encode(["walk"])[0].ctxt)
