"""Settings from flags, environment and file; every error says how to fix it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from jobs.errors import SettingsError
from jobs.settings import SECRET, Settings, unknown
from jobs.url import public_broker, without_secrets


@pytest.fixture
def read(tmp_path):
    """Reads settings with a temporary home."""

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
    config = 'lease = 9\nrenew = 1\nalive = 7\noutput = "/from/file"'
    settings = read({"HYMO_LEASE": "8", "HYMO_RENEW": "2"}, config, lease=6.0, stall=None)
    assert (settings.lease, settings.renew, settings.alive) == (6.0, 2.0, 7.0)
    assert settings.output == Path("/from/file")
    assert settings.stall == 60.0


def test_an_empty_variable_is_not_set(read):
    assert read({"HYMO_LEASE": "", "HYMO_DATABASE_URL": ""}).lease == 90.0


def test_a_key_is_not_in_the_settings_words(read):
    settings = read({"HYMO_REWRITER_KEY": "sk-secret", "HYMO_REWRITER_URL": "https://h:1/v1/"})
    assert (settings.rewriter_key, settings.rewriter_url) == ("sk-secret", "https://h:1/v1/")
    assert "sk-secret" not in repr(settings)
    assert "rewriter_key" in SECRET


def test_roots_are_separated_like_a_search_path(read, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert read().output_roots == ()
    roots = read({"HYMO_OUTPUT_ROOTS": "/srv/motions:/mnt/../nas::here"}).output_roots
    assert roots == (Path("/srv/motions"), Path("/nas"), tmp_path / "here")


def test_paths_are_made_absolute(read, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert read(output="here").output == tmp_path / "here"


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("LEASE", "soon", "must be a number"),
        ("LEASE", "nan", "must be finite"),
        ("LEASE", "inf", "must be finite"),
        ("LEASE", "-1", "more than 0"),
        ("LEASE", "0", "more than 0"),
        ("RENEW", "0", "more than 0"),
        ("BACKOFF", "-1", "at least 0"),
        ("BACKOFF", "nan", "must be finite"),
        ("MAX_ATTEMPTS", "0", "at least 1"),
        ("MAX_ATTEMPTS", "2.5", "must be a whole number"),
        ("BROKER_URL", "amqp://u:secret@h", "must begin with redis://"),
        ("BROKER_URL", "redis://:se/secret@h:6379/0", "percent-encode the password"),
        ("BROKER_URL", "redis://:12/secret@h:6379/0", "percent-encode the password"),
        ("BROKER_URL", "redis://:12#secret@h:6379/0", "percent-encode the password"),
        ("BROKER_URL", "redis://:12?secret@h:6379/0", "percent-encode the password"),
        ("BROKER_URL", "redis://:[secret@h:6379/0", "percent-encode the password"),
        ("BROKER_URL", "redis://:secret@h:port/0", "the port must be a number"),
        ("BROKER_URL", "redis://:secret@h:65536/0", "the port must be a number"),
        ("BROKER_URL", "redis://:secret@h:6379/jobs", "must be a number"),
        ("BROKER_URL", "redis://:secret@h/0?ssl_ca_certs=/ca.pem", "are for rediss://"),
        ("BROKER_URL", "rediss://:secret@h/0?ssl_cert_reqs=CERT_NONE", "must be required or"),
        ("BROKER_URL", "rediss://:secret@h/0?ssl_check_hostname=0", "must be true or false"),
        ("BROKER_URL", "redis://secret@h:6379/0", "redis://:PASSWORD@HOST"),
        ("BROKER_URL", "redis+socket://secret@/r.sock", "redis://:PASSWORD@HOST"),
        ("BROKER_URL", "redis+socket://:12/secret@/r.sock", "percent-encode the password"),
        ("DATABASE_URL", "u:secret@h", "is not a database URL"),
        ("DATABASE_URL", "postgresql://u:se@secret@h/db", "percent-encode the password"),
        ("DATABASE_URL", "postgresql://u:secret@h:port/db", "the port must be a number"),
        ("REWRITER_URL", "127.0.0.1:8000/v1", "must be a complete URL"),
        ("REWRITER_URL", "ftp://h/v1", "must be a complete URL"),
        ("REWRITER_URL", "http://u:secret@h/v1", "put the key in HYMO_REWRITER_KEY"),
        ("REWRITER_URL", "http://h:port/v1", "is not a URL"),
        ("REWRITER_URL", "http://h/v1?key=secret", "must end with its path"),
        ("REWRITER_URL", "http://h/v 1", "must end with its path"),
        ("REWRITER_KEY", "secret\r\nHost: evil", "printable ASCII without spaces"),
        ("REWRITER_KEY", "secrét", "printable ASCII without spaces"),
        ("REWRITER_TIMEOUT", "0", "more than 0"),
        ("OUTPUT_ROOTS", ":", "names no folder"),
        ("REWRITER_CONCURRENCY", "0", "at least 1"),
    ],
)
def test_an_unusable_value_is_named(read, name, value, mend):
    with pytest.raises(SettingsError, match=f"HYMO_{name}=.*{mend}") as caught:
        read({f"HYMO_{name}": value})
    assert caught.value.exit_code == 2
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "mend"),
    [("lease = ", "config.toml: not valid TOML .*a line is"), ("lease = 1\n]", "line 2"),
     ("leese = 1", "config.toml: leese: unknown; known keys: .*lease"),
     ('home = "/x"', "home: unknown"), ("lease = true", "lease='True': must be a number"),
     ("max_attempts = 0", "max_attempts='0': must be .* at least 1"),
     ("lease = 10", "HYMO_RENEW='15': .*config.toml: lease"),
     ('broker_url = "redis://:se/secret@h"', "broker_url='…': .*percent-encode"),
     ('broker_ulr = "redis://:secret@h"', "broker_ulr: unknown")],
)  # fmt: skip
def test_an_unusable_file_is_named_with_its_key(read, tmp_path, config, mend):
    with pytest.raises(SettingsError, match=mend) as caught:
        read(config=config)
    message = str(caught.value)
    assert str(tmp_path / "config.toml") in message
    assert "HYMO_" not in message or "lease = 10" in config
    assert "=''" not in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("environ", "first", "second"),
    [
        ({"LEASE": "30"}, "HYMO_RENEW='15'", "HYMO_LEASE to 45"),
        ({"RENEW": "31"}, "HYMO_RENEW='31'", "HYMO_LEASE to 93"),
        ({"STALL": "900"}, "HYMO_STALL='900'", "HYMO_DEADLINE"),
        ({"DEADLINE": "10"}, "HYMO_STALL='60'", "raise HYMO_DEADLINE"),
        ({"ALIVE": "15"}, "HYMO_ALIVE='15'", "HYMO_RENEW"),
    ],
)
def test_times_that_do_not_go_together_are_named_both(read, environ, first, second):
    with pytest.raises(SettingsError, match=f"{first}.*{second}"):
        read({f"HYMO_{name}": value for name, value in environ.items()})


def test_times_at_their_limits(read):
    limits = {"LEASE": "45", "RENEW": "15", "STALL": "1", "DEADLINE": "1.1", "ALIVE": "15.1"}
    assert read({f"HYMO_{name}": value for name, value in limits.items()}).lease == 45.0


def test_misspelt_variables_are_found():
    environ = {
        "HYMO_LEESE": "1",
        "HYMO_LEASE": "1",
        "HYMO_TRACEBACK": "1",
        "HOME": "/",
        "HYMO_": "",
    }
    assert unknown(environ) == ("HYMO_", "HYMO_LEESE")


def test_a_file_with_a_byte_order_mark(read):
    """Editors of Windows write one."""
    assert read(config="\ufefflease = 120\r\n").lease == 120.0


def test_a_file_that_is_not_utf8(read, tmp_path):
    (tmp_path / "config.toml").write_bytes(b'output = "\xff"')
    with pytest.raises(SettingsError, match="not valid TOML"):
        read()


@pytest.mark.parametrize(
    "url",
    ["redis://h/0", "rediss://h", "redis+socket:///tmp/r@1.sock", "redis://u:p%2Fw%40@h:1/2",
     "redis:///3", "redis://:p@w@h:6379", "redis://:a:b@h", "rediss://h/0?ssl_cert_reqs=none",
     "redis://u:@h", "redis://u@h?password=p"],
)  # fmt: skip
def test_a_broker_of_ones_own(read, url):
    settings = read({"HYMO_BROKER_URL": url})
    assert settings.broker_url == url
    assert not settings.embedded


def test_the_database_is_shown_without_its_password(read):
    settings = read({"HYMO_DATABASE_URL": "postgresql://me:secret@host/db"})
    assert settings.public_database_url() == "postgresql://me:***@host/db"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@h/db?sslmode=require", "postgresql://me:***@h/db?sslmode=require"),
        ("postgresql://me@h/db?password=secret", "postgresql://me@h/db?password=***"),
        ("postgresql://me@h/db?pasword=secret", "postgresql://me@h/db?pasword=***"),
    ],
)
def test_a_database_is_shown_without_any_secret(read, url, shown):
    settings = read({"HYMO_DATABASE_URL": url})
    assert settings.public_database_url() == shown
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@h:1/0", "redis://:***@h:1/0"),
        ("rediss://u:sec%72et@h/0?ssl_cert_reqs=none", "rediss://u:***@h/0?ssl_cert_reqs=none"),
        ("redis://h?password=secret", "redis://h?password=***"),
        ("redis+socket:///r.sock?pasword=secret", "redis+socket:///r.sock?pasword=***"),
    ],
)
def test_a_broker_is_shown_without_any_secret(read, url, shown):
    settings = read({"HYMO_BROKER_URL": url})
    assert public_broker(url) == shown
    assert "sec" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    ["redis://:p%40ss-word@h", "redis://h?password=p%40ss-word", "postgresql://u:p%40ss-word@h/d",
     "postgresql://h/d?password=p%40ss-word"],
)  # fmt: skip
def test_a_quoted_password_is_masked_in_either_form(url):
    said = "unknown command AUTH p@ss-word in p%40ss-word"
    assert without_secrets(said, url) == "unknown command AUTH *** in ***"


def test_settings_do_not_change(read):
    with pytest.raises(FrozenInstanceError):
        read().lease = 1.0
