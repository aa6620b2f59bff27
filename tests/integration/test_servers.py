"""Tests run with real servers that belong to this process."""

from __future__ import annotations

import contextlib

import pytest
import redis
from sqlalchemy import create_engine, text


@pytest.mark.redis
def test_a_redis_server_forgets_when_killed(own_redis, redis_server):
    assert own_redis.socket != redis_server.socket
    with contextlib.closing(own_redis.client()) as client:
        client.set("k", "v")
        own_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("k")
        own_redis.start()
        assert client.get("k") is None


@pytest.mark.redis
@pytest.mark.parametrize("turn", [1, 2])
def test_the_shared_redis_server_is_empty_for_every_test(redis_server, turn):
    with contextlib.closing(redis_server.client()) as client:
        assert client.dbsize() == 0
        client.set("k", turn)


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_has_a_database_of_its_own(database_url, turn):
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM batches")).scalar() == 0
        connection.execute(
            text("INSERT INTO batches (name, source, output, created_at) VALUES ('b', '', '', 0)")
        )
    engine.dispose()


@pytest.mark.parametrize(("ci", "way"), [("", pytest.skip), ("true", pytest.fail)])
def test_a_missing_server_skips_at_home_and_fails_in_ci(request, monkeypatch, ci, way):
    monkeypatch.setenv("CI", ci)
    (shared,) = [
        plugin
        for plugin in request.config.pluginmanager.get_plugins()
        if hasattr(plugin, "unavailable") and hasattr(plugin, "RedisServer")
    ]
    with pytest.raises(way.Exception, match="PostgreSQL cannot start here: no disk"):
        shared.unavailable("PostgreSQL", OSError("no disk"))
