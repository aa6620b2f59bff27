"""Settings: flag, then environment, then file; every refusal names the mend."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from jobs.errors import SettingsError
from jobs.settings import Settings


@pytest.fixture
def read(tmp_path):
    """Read settings with a home of the test's own."""

    def reading(environ=(), config=None, **flags):
        if config is not None:
            (tmp_path / "config.toml").write_text(config, "utf-8")
        return Settings.read({"HYMO_HOME": str(tmp_path), **dict(environ)}, **flags)

    return reading


def test_defaults_need_nothing_but_a_home(read, tmp_path):
    settings = read()
    assert settings.home == tmp_path
    assert settings.output == tmp_path / "output"
    assert settings.database_url == f"sqlite:///{tmp_path / 'hymo.db'}"
    assert settings.embedded
    assert settings.lease == 90.0
    assert settings.max_attempts == 3


def test_the_default_home_is_the_users():
    assert Settings.read({}).home == Path("~/.hymo").expanduser()


def test_flag_before_environment_before_file(read):
    config = 'lease = 1\nrenew = 1\nalive = 1\noutput = "/from/file"'
    settings = read({"HYMO_LEASE": "2", "HYMO_RENEW": "2"}, config, lease=3.0, stall=None)
    assert (settings.lease, settings.renew, settings.alive) == (3.0, 2.0, 1.0)
    assert settings.output == Path("/from/file")
    assert settings.stall == 60.0


def test_an_empty_variable_is_not_set(read):
    assert read({"HYMO_LEASE": "", "HYMO_DATABASE_URL": ""}).lease == 90.0


def test_paths_are_made_absolute(read, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert read(output="here").output == tmp_path / "here"


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("LEASE", "soon", "must be a number"),
        ("LEASE", "nan", "must be finite"),
        ("LEASE", "inf", "must be finite"),
        ("LEASE", "-1", "at least 0"),
        ("MAX_ATTEMPTS", "2.5", "must be a whole number"),
        ("BROKER_URL", "amqp://u:secret@h", "must begin with redis://"),
        ("DATABASE_URL", "u:secret@h", "is not a database URL"),
    ],
)
def test_an_unusable_value_is_named(read, name, value, mend):
    with pytest.raises(SettingsError, match=f"HYMO_{name}=.*{mend}") as caught:
        read({f"HYMO_{name}": value})
    assert caught.value.exit_code == 2
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "mend"),
    [("lease = ", "not valid TOML"), ("leese = 1", "unknown; known keys: .*lease"),
     ('home = "/x"', "unknown")],
)  # fmt: skip
def test_an_unusable_file_is_named(read, tmp_path, config, mend):
    with pytest.raises(SettingsError, match=mend) as caught:
        read(config=config)
    assert str(tmp_path / "config.toml") in str(caught.value)


def test_a_file_that_is_not_utf8(read, tmp_path):
    (tmp_path / "config.toml").write_bytes(b'output = "\xff"')
    with pytest.raises(SettingsError, match="not valid TOML"):
        read()


@pytest.mark.parametrize("url", ["redis://h/0", "rediss://h", "redis+socket:///tmp/r.sock"])
def test_a_broker_of_ones_own(read, url):
    settings = read({"HYMO_BROKER_URL": url})
    assert settings.broker_url == url
    assert not settings.embedded


def test_the_database_is_shown_without_its_password(read):
    settings = read({"HYMO_DATABASE_URL": "postgresql://me:secret@host/db"})
    assert settings.public_database_url() == "postgresql://me:***@host/db"


def test_settings_do_not_change(read):
    with pytest.raises(FrozenInstanceError):
        read().lease = 1.0
