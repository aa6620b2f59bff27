"""The parsers of what anybody may have written, and inputs for each.

A parser returns, or raises one of its documented errors: anything else, and more than `SECONDS` of
processor time, is a finding. `python -m tests.fuzz N` runs N inputs through each.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from tests.fuzz.mutation import mutated

#: Processor time that one input may take; inputs have at most 64 KiB.
SECONDS = 5.0

#: Where files are written that a parser reads by its path.
_FOLDER = Path(tempfile.gettempdir() if not Path("/dev/shm").is_dir() else "/dev/shm")


@dataclass(frozen=True, kw_only=True)
class Parser:
    """One parser.

    Attributes:
        name: what it reads.
        parse: the parser; may raise `errors`.
        errors: the error types that it documents.
        seeds: valid inputs, and some that were found to break it.
        pieces: bytes that mean something to it.
    """

    name: str
    parse: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: Sequence[bytes]
    pieces: Sequence[bytes] = field(default=())

    @property
    def inputs(self) -> SearchStrategy[bytes]:
        """The inputs to try."""
        return mutated(self.seeds, self.pieces)


def _prompts(format_name: str) -> Callable[[bytes], object]:
    from jobs.promptfile.defaults import Defaults
    from jobs.promptfile.invalid import InvalidRows
    from jobs.promptfile.source import open_source
    from jobs.promptfile.survey import survey

    def parse(content: bytes) -> object:
        with open_source("-", format_name=format_name, stdin=io.BytesIO(content)) as source:
            out = io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape", newline="")
            found = survey(source, Defaults(), rejected=InvalidRows(source, out).write)
            out.flush()
        assert all(len(problem.reason) < 1000 for problem in found.problems)
        return found

    return parse


def _on_disk(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A parser of a file's path, as one of its content."""
    folder = tempfile.TemporaryDirectory(prefix="hymo-fuzz-", dir=_FOLDER)
    path = Path(folder.name, name)
    path.parent.mkdir(parents=True, exist_ok=True)

    def parse(content: bytes) -> object:
        assert folder.name  # kept until the parser goes
        path.write_bytes(content)
        return read(path)

    return parse


def prompt_files() -> list[Parser]:
    """Prompt files."""
    from jobs.errors import JobsError

    table = (
        b"prompt,id,frames,seed,seeds,mode,steps,guidance,priority,formats,model,scene\n"
        b'walks,a,90,1,2,lite,10,1.5,0,npz;bvh,tiny,"in a ""park"""\n'
        b'"hops\non one leg",b,,,,,,,,,,\n'
    )
    semicolons = b"sep=;\nPrompt;seconds;guidance\nwalks;3,5;1,5\nhops;2;7\n"
    line = b'{"prompt": "walks", "id": "a", "frames": 90, "guidance": 1.5, "x": [1, {"y": null}]}\n'
    text = b"walks#90#a\nhops#60\nwaves\na man/NOUN walk/VERB#0.0#0.0\nrun#NA\n"
    categories = b'{"sport": ["walks#90#a", "hops#60"], "dance": ["a waltz"]}\n'
    seeds = {
        "csv": [table, semicolons, table.decode().encode("utf-16"), b"\xb0\xa1\n" + table],
        "tsv": [table.replace(b",", b"\t"), table],
        "jsonl": [line, line * 3],
        "txt": [text],
        "json": [categories],
    }
    return [
        Parser(name=name, parse=_prompts(name), errors=(JobsError,), seeds=found)
        for name, found in seeds.items()
    ]


def settings() -> list[Parser]:
    """`config.toml`, URLs, cursors, names."""
    from jobs.domain.names import fold, id_fault, name_fault, normal, safe_name
    from jobs.errors import SettingsError
    from jobs.settings import Settings
    from jobs.store.history.order import Cursor, Order, OrderError
    from jobs.url import broker_fault, database_fault, rewriter_fault

    toml = (
        b'lease = 120\npack = 4 # more\noutput = "/tmp/o"\ndatabase_url = "sqlite:////tmp/x.db"\n'
        b"broker_url = 'rediss://:p@h:6379/0?ssl_cert_reqs=required'\n"
    )
    urls = [
        b"redis://:p%40@h:6379/0", b"rediss://h/1?ssl_ca_certs=/ca.pem", b"redis+socket:///tmp/x",
        b"postgresql://u:p@h:5432/d?sslmode=require", b"sqlite:///x.db", b"http://h:8000/v1",
    ]  # fmt: skip
    orders = [Order(key) for key in ("id", "queue", "priority")]

    def cursor(content: bytes) -> object:
        return [Cursor.decode(content.decode("utf-8", "replace"), order) for order in orders[:1]]

    def url(content: bytes) -> object:
        text = content.decode("utf-8", "replace")
        return broker_fault(text), database_fault(text), rewriter_fault(text)

    def names(content: bytes) -> object:
        text = content.decode("utf-8", "surrogateescape")[:1000]
        made = safe_name(text)
        assert name_fault(made) is None, made
        kept = normal(text)
        return fold(kept) if id_fault(kept) is None else None

    cursors = [Cursor(value, 7).encode(order) for order in orders for value in (1, 1.5, 2**62)]
    return [
        Parser(
            name="config.toml",
            parse=_on_disk(
                "config.toml", lambda path: Settings.read({"HYMO_HOME": str(path.parent)})
            ),
            errors=(SettingsError,),
            seeds=[toml, b"\xef\xbb\xbflease = 90\n", b"[a.b]\nc = [1, {d = 1979-05-27}]\n"],
        ),
        Parser(
            name="cursor", parse=cursor, errors=(OrderError,),
            seeds=[each.encode() for each in cursors],
        ),
        Parser(name="URLs", parse=url, errors=(), seeds=urls),
        Parser(
            name="row names", parse=names, errors=(),
            seeds=[b"walk_1", "gehen.größer".encode(), b"con.txt", b"a" * 130],
        ),
    ]  # fmt: skip


def messages() -> list[Parser]:
    """Messages of the broker."""
    from jobs.delivery.message import LARGEST_ID, envelope, job_of

    queue, tag = "hymo.full.1", f"{'ab' * 16}-7"
    ours = envelope(17, queue, tag)
    again = {**ours, "properties": {**ours["properties"], "redelivered": True}}

    def parse(content: bytes) -> object:
        found = job_of(content, queue)
        assert isinstance(found, str) or 0 < found <= LARGEST_ID
        return found

    return [
        Parser(
            name="messages",
            parse=parse,
            errors=(),
            seeds=[json.dumps(each).encode() for each in (ours, again)],
            pieces=[
                b'"eta": 1, ',
                b'"redelivered": true, ',
                b'"callbacks": [1]',
                b'"compression":',
            ],
        )
    ]


def service() -> list[Parser]:
    """Answers of the rewriting service."""
    from jobs.rewriting.answer import read_answer
    from jobs.rewriting.errors import AnswerError
    from jobs.rewriting.wish import Wish

    text = '<think>{}</think>```{"prompt": "A person walks", "seconds": 3.5}```'
    reply = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
    wish = Wish(text=True, seconds=True)
    return [
        Parser(
            name="rewriter's answer",
            parse=lambda content: read_answer(content, wish),
            errors=(AnswerError,),
            seeds=[reply],
            pieces=[b'\\"', b'{\\"prompt\\": 1}'],
        )
    ]


def model_folders() -> list[Parser]:
    """The files of model folders, but for those that only a library reads."""
    import torch
    from safetensors.torch import save

    from hymotion.conditioning import TextConditioning
    from hymotion.config import ModelConfig
    from hymotion.errors import HymotionError
    from hymotion.importing.record import read_record
    from hymotion.importing.tensors import index_files
    from hymotion.importing.upstream import read_system_message
    from hymotion.loading.model import bundled_folder
    from hymotion.loading.safetensors_file import read_weights
    from hymotion.parsing.plain_data import PlainDataError, parse_json, parse_yaml
    from hymotion.text.entry import pack, unpack
    from hymotion.text.folder import UPSTREAM_MESSAGE, TextFolder, read_config
    from jobs.domain.installed import Installed
    from jobs.errors import ModelRecordError

    config = (bundled_folder("tiny", "full") / "config.yml").read_bytes()
    yaml = (
        b"a: &x [1, 2.5, yes, ~]\nb: {c: !!str d, ? e : f}\n--- \n- 2026-01-01\n- 1:30\n- |\n  t\n"
    )
    tensors = {"a": torch.zeros(2, 3), "b": torch.ones(4, dtype=torch.float16)}
    weights = save(tensors, {"format": "pt"})
    qwen = json.dumps(
        {
            "model_type": "qwen3", "hidden_size": 48, "num_hidden_layers": 2, "rope_theta": 1e6,
            "layer_types": ["full_attention"], "text_config": {"hidden_size": 24},
        }
    ).encode()  # fmt: skip
    index = json.dumps(
        {"metadata": {}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    ).encode()
    identity = json.dumps({"schema": 1, "revision": "te-1", "system_message_sha256": "ab"}).encode()
    entry = {
        "folder": "full", "revision": "st-1", "sha256": "a", "config_sha256": "b", "bytes": 1,
        "numbers": 2, "linked": False,
    }  # fmt: skip
    record = json.dumps(
        {
            "schema": 1, "name": "m", "imported_at": "2026", "modes": {"full": entry},
            "sources": [{"part": "full"}],
            "text": {
                "folder": "text", "revision": "te", "bytes": 1, "qwen_bytes": 1, "clip_bytes": 1,
                "files": {"qwen/config.json": "a"},
            },
            "licence": {"notices": {}},
        }
    ).encode()  # fmt: skip
    features = pack("walk", TextConditioning(torch.zeros(1, 4), torch.zeros(2, 6), length=2))
    program = b'PROMPT_TEMPLATE_ENCODE_HUMAN_MOTION = "a" "b"\nx: int = [1, {"a": (2,)}]\n'
    hymotion, plain = (HymotionError,), (PlainDataError,)
    module = "hymotion/network/text_encoders/model_constants.py"
    root = len(Path(module).parts) - 1
    return [
        Parser(
            name="config.yml",
            parse=lambda content: ModelConfig.parse(content.decode("utf-8", "replace")),
            errors=hymotion,
            seeds=[config],
            pieces=[b"\n  ", b": ", b"- ", b"!!int ", b".nan", b".inf", b"1:1", b"<<: "],
        ),
        Parser(
            name="YAML",
            parse=lambda content: parse_yaml(content.decode("utf-8", "replace")),
            errors=plain,
            seeds=[yaml],
            pieces=[
                b"\n  ",
                b": ",
                b"- ",
                b"!!int ",
                b"!!timestamp ",
                b"!!binary ",
                b"!!set ",
                b"|",
            ],
        ),
        Parser(name="JSON", parse=parse_json, errors=plain, seeds=[record, qwen]),
        Parser(
            name="safetensors",
            parse=_on_disk("w.safetensors", lambda path: read_weights(path, tensors)),
            errors=hymotion,
            seeds=[weights],
            pieces=[b'"F32"', b'"shape":[', b'"data_offsets":[', b"__metadata__"],
        ),
        Parser(
            name="weights index",
            parse=_on_disk("model.safetensors.index.json", index_files),
            errors=hymotion,
            seeds=[index],
        ),
        Parser(
            name="config.json",
            parse=_on_disk("config.json", lambda path: read_config(path.parent)),
            errors=hymotion,
            seeds=[qwen],
            pieces=[b'"auto_map":', b'"num_hidden_layers":'],
        ),
        Parser(
            name="encoder.json",
            parse=_on_disk("encoder.json", lambda path: TextFolder.read(path.parent)),
            errors=hymotion,
            seeds=[identity],
        ),
        Parser(
            name="model.json",
            parse=_on_disk("models/m/model.json", lambda path: Installed.read(path.parents[2])),
            errors=(ModelRecordError,),
            seeds=[record],
        ),
        Parser(
            name="import record",
            parse=_on_disk("model.json", lambda path: read_record(path.parent, "m")),
            errors=hymotion,
            seeds=[record],
        ),
        Parser(
            name="encoded text",
            parse=lambda content: unpack("walk", content),
            errors=(),
            seeds=[features],
        ),
        Parser(
            name="upstream's program",
            parse=_on_disk(
                module, lambda path: read_system_message(path.parents[root], UPSTREAM_MESSAGE)
            ),
            errors=hymotion,
            seeds=[program],
            pieces=[b"PROMPT_TEMPLATE_ENCODE_HUMAN_MOTION", b" = ", b"\\N{", b"f'{", b"lambda: "],
        ),
    ]


def library_files() -> list[Parser]:
    """Files that a library reads for us: checkpoints and tokenizers."""
    import torch
    from tokenizers import Tokenizer, models

    from hymotion.errors import HymotionError
    from hymotion.loading.checkpoint import checkpoint_digest, open_checkpoint
    from hymotion.text.library import reading

    buffer = io.BytesIO()
    torch.save({"model_state_dict": {"a": torch.zeros(2)}}, buffer)
    vocabulary = {letter: number for number, letter in enumerate("abcde ")} | {"ab": 6}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("a", "b")]))
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer.enable_truncation(8)

    def checkpoint(path: Path) -> object:
        return checkpoint_digest(path), open_checkpoint(path)

    def tokens(path: Path) -> object:
        with reading(path):
            return Tokenizer.from_str(path.read_text("utf-8", "replace")).encode("abc <|im_end|>")

    return [
        Parser(
            name="checkpoint",
            parse=_on_disk("latest.ckpt", checkpoint),
            errors=(HymotionError,),
            seeds=[buffer.getvalue()],
        ),
        Parser(
            name="tokenizer.json",
            parse=_on_disk("tokenizer.json", tokens),
            errors=(HymotionError,),
            seeds=[tokenizer.to_str().encode()],
            pieces=[b'"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$"}},', b'"BPE"'],
        ),
    ]


def parsers() -> list[Parser]:
    """Every parser. Another one is added here: see CONTRIBUTING.md."""
    groups = (prompt_files, settings, messages, service, model_folders, library_files)
    return [parser for group in groups for parser in group()]
