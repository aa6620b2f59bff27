"""YAML and JSON from anybody: plain values, or one short error."""

import time
from pathlib import Path

import pytest

from hymotion.config import ModelConfig
from hymotion.errors import ConfigError
from hymotion.parsing.plain_data import MAX_YAML, PlainDataError, parse_json, parse_yaml

#: 462 bytes that are 10⁹ words.
BOMB = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


def test_plain_values() -> None:
    assert parse_yaml("a: [1, 2.5, yes, ~, x]\nb: {c: '1'}") == {
        "a": [1, 2.5, True, None, "x"],
        "b": {"c": "1"},
    }
    assert parse_json(b'{"a": [1, 2.5, null, "\\u00e4"]}') == {"a": [1, 2.5, None, "ä"]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, r"it has an alias \(\*\) on line 2"),
        ("a: &x 1\nb: *x", "alias"),
        ("a: &x {b: *x}", "alias"),
        ("<<: *x", "alias"),
        ("[" * 5000, "nested too deeply"),
        ("a: [1", "on line 1"),
        ("a: b: c", "on line 1"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("? [a]\n: b", "unhashable"),
        ("!!int ", "index"),
        ("!!int x", "invalid literal"),
        ("9" * 5000, "4300 digits"),
        ("!!timestamp x", "."),
        ("2026-99-99", "month must be in"),
        ("!!binary ä", "base64"),
        ("!!set {a: 1}\n--- x", "document"),
        ("\0", "special characters"),
        ("x" * (MAX_YAML + 1), "more than 65536 characters"),
    ],
)
def test_yaml_that_is_none(text: str, problem: str) -> None:
    began = time.process_time()
    with pytest.raises(PlainDataError, match=problem) as caught:
        parse_yaml(text)
    assert len(str(caught.value)) < 250
    assert time.process_time() - began < 5


def test_the_largest_yaml_takes_seconds() -> None:
    began = time.process_time()
    for text in ("- a\n" * (MAX_YAML // 4), "[" + "1:1," * (MAX_YAML // 4 - 1) + "]", "{a: " * 90):
        try:
            parse_yaml(text)
        except PlainDataError:
            continue
    assert time.process_time() - began < 30


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "line 1"),
        ("", "line 1"),
        ("[1] 2", "Extra data"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a": 1, "a": 2}', "name 'a' twice"),
        ('{"b": [{"a": 1, "a": 1}]}', "name 'a' twice"),
        ('{{"{}": 1, "{}": 2}}'.format("x" * 9999, "x" * 9999), "twice"),
        ("NaN", "NaN is not a number"),
        ("-Infinity", "-Infinity is not a number"),
        ("1e999", "too large"),
        ("9" * 5000, "thousands of digits"),
        ("\udcff", "UTF-8"),
    ],
)
def test_json_that_is_none(text: str, problem: str) -> None:
    with pytest.raises(PlainDataError, match=problem) as caught:
        parse_json(text.encode("utf-8", "surrogateescape"))
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("line", ["mask_mode: {}", "num_layers: {}", "{}: 1", "mlp_ratio: {}"])
@pytest.mark.parametrize(
    "value", ["x" * 50_000, "[" + "a, " * 10_000 + "]", "{" * 500, "9" * 4000, ".inf", "1.0e+300"]
)
def test_a_config_quotes_little_of_itself(golden_folder: Path, line: str, value: str) -> None:
    text = (golden_folder / "config.yml").read_text()
    key = line.format("mask_mode").partition(":")[0]
    kept = "\n".join(each for each in text.splitlines() if key not in each)
    start = kept.replace("network_module_args:", f"network_module_args:\n  {line.format(value)}")
    with pytest.raises(ConfigError) as caught:
        ModelConfig.parse(start)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_a_bomb_in_a_config_is_one_line(golden_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    text = (golden_folder / "config.yml").read_text().replace("narrowband", "*a8")
    path.write_text(BOMB + text)
    with pytest.raises(ConfigError, match=r"config.yml: it cannot be read as YAML .*alias"):
        ModelConfig.read(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_layers", 1_000_002),
        ("feat_dim", 2**40),
        ("mlp_ratio", "1.0e+18"),
        ("num_heads", 2**63),
    ],
)
def test_sizes_that_no_machine_builds_are_refused(
    golden_folder: Path, key: str, value: object
) -> None:
    """Building so many layers would take hours, before any weight is looked at."""
    lines = (golden_folder / "config.yml").read_text().splitlines()
    text = "\n".join(f"  {key}: {value}" if f" {key}:" in line else line for line in lines)
    with pytest.raises(ConfigError, match=f"network_module_args.{key} is"):
        ModelConfig.parse(text)
