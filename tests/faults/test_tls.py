"""Brokers and databases behind TLS: who is not the right one gets no password."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import OperationalError
from sqlalchemy.engine import make_url

from jobs.delivery import broker
from jobs.delivery.celery_app import celery_app
from tests.cli.calling import call
from tests.conftest import PostgresServer, RedisServer
from tests.faults.plant import Plant
from tests.faults.proxy import NAME
from tests.faults.tls import CA, TlsProxy

PASSWORD = "hush"
#: Certificates that are not the server's, and what is said of them.
REFUSED = {
    "self_signed": ("self-signed certificate", "give the CA that signed it"),
    "other_host": ("Hostname mismatch", "use a host name in HYMO_BROKER_URL"),
    "expired": ("certificate has expired", "renew the server's certificate"),
}
TRUSTED = f"ssl_ca_certs={CA}"

Behind = Callable[..., TlsProxy]


@pytest.fixture
def behind(plant: Plant, own_redis: RedisServer) -> Iterator[Behind]:
    """Puts the plant's broker, which wants a password, behind TLS."""
    made: list[TlsProxy] = []

    def put(certificate: str, query: str = TRUSTED) -> TlsProxy:
        with contextlib.closing(own_redis.client()) as client:
            client.config_set("requirepass", PASSWORD)
        made.append(TlsProxy(own_redis.socket, certificate))
        url = f"rediss://:{PASSWORD}@localhost:{made[-1].port}/0?{query}"
        plant.environ["HYMO_BROKER_URL"] = url
        return made[-1]

    yield put
    for each in made:
        each.close()


def hymo(plant: Plant, *words: object) -> Any:
    """Run a command of the plant in this process."""
    return call(*words, env=plant.environ)


def examined(plant: Plant) -> dict[str, str]:
    """What the doctor found of the broker."""
    found = json.loads(hymo(plant, "doctor", "--json").stdout)["findings"]
    (of_broker,) = (each for each in found if each["check"] == "broker")
    return dict(of_broker)


@pytest.mark.redis
def test_a_server_with_a_certificate_of_our_ca_is_used(plant: Plant, behind: Behind) -> None:
    proxy = behind("good")
    plant.environ["HYMO_CLAIM"] = "0"  # a pack a message
    plant.submit(4)
    plant.worker("a")
    plant.finish(4)
    assert PASSWORD.encode() in proxy.heard
    assert b"BRPOP" in proxy.heard, "the worker read no message"
    assert examined(plant)["health"] == "ok"


@pytest.mark.redis
@pytest.mark.parametrize("certificate", REFUSED)
def test_a_server_with_another_certificate_gets_no_password(
    plant: Plant, behind: Behind, certificate: str
) -> None:
    proxy = behind(certificate)
    reason, mend = REFUSED[certificate]
    url = plant.environ["HYMO_BROKER_URL"]
    refused = hymo(plant, *plant.submit_command(plant.prompts(1, "j"), steps=5))
    assert refused.exit_code == 7
    assert refused.stderr.count("\n") == 1
    assert f"is not trusted: its certificate is refused: {reason}" in refused.stderr
    assert mend in refused.stderr
    assert plant.counts() == {}, "nothing is submitted"
    plant.environ |= {"HYMO_BROKER_URL": ""}
    plant.submit(1)
    plant.run("cancel", "--batch", "j")
    plant.environ |= {"HYMO_BROKER_URL": url}
    assert f"the broker is not trusted (its certificate is refused: {reason}" in plant.run(
        "retry", "--batch", "j"
    )
    found = examined(plant)
    assert found["health"] == "bad"
    assert reason in found["mend"]
    assert mend in found["mend"]
    with (
        celery_app(broker.kombu_url(plant.settings)).connection_for_read() as connection,
        pytest.raises(OperationalError, match=reason),
    ):
        connection.ensure_connection(max_retries=0, timeout=5)
    assert proxy.connections >= 3
    assert proxy.heard == b""


@pytest.mark.redis
def test_workers_do_not_start_with_a_server_whose_ca_is_not_known(
    plant: Plant, behind: Behind
) -> None:
    proxy = behind("good", query="")  # none of the system's CAs has signed it
    words = ("--device", "cpu", "--models", "null")
    for one in (plant.start("w", "worker", *words), plant.start("up", "up", *words[2:])):
        assert one.ended() == 7, one.said
        assert one.said.count("\n") == 1
        assert "give the CA that signed it: HYMO_BROKER_URL=rediss://…?ssl_ca_certs=" in one.said
    assert proxy.connections >= 2
    assert proxy.heard == b""


@pytest.mark.redis
@pytest.mark.parametrize(
    ("certificate", "query"),
    [("self_signed", "ssl_cert_reqs=none"), ("other_host", f"{TRUSTED}&ssl_check_hostname=false")],
)
def test_a_check_is_left_out_where_the_url_says_so_and_said_once(
    plant: Plant, behind: Behind, caplog: pytest.LogCaptureFixture, certificate: str, query: str
) -> None:
    behind(certificate, query)
    caplog.set_level(logging.WARNING)
    plant.submit(1)
    plant.submit(1, name="k")
    (said,) = (each for each in caplog.messages if "is not checked" in each)
    assert query.rpartition("&")[2] in said
    assert PASSWORD not in said
    assert examined(plant)["health"] == "warning"
    with celery_app(broker.kombu_url(plant.settings)).connection_for_read() as connection:
        connection.ensure_connection(max_retries=0, timeout=5)


@pytest.mark.redis
@pytest.mark.parametrize(("file", "reason"), [("none.pem", "No such file"), ("empty.pem", "")])
def test_a_ca_that_cannot_be_read_is_named(
    plant: Plant, behind: Behind, file: str, reason: str
) -> None:
    path = plant.home / file
    (plant.home / "empty.pem").touch()
    proxy = behind("good", f"ssl_ca_certs={path}")
    refused = hymo(plant, *plant.submit_command(plant.prompts(1, "j"), steps=5))
    assert refused.exit_code == 7
    assert f"ssl_ca_certs={path}: {reason}" in refused.stderr
    assert proxy.heard == b""


@pytest.mark.redis
def test_a_server_that_is_away_is_no_refusal(plant: Plant, behind: Behind) -> None:
    behind("good").close()
    plant.submit(1)
    assert plant.counts() == {"queued": 1}


@pytest.mark.postgres
@pytest.mark.parametrize("certificate", ["good", "other_host", "expired"])
def test_postgresql_with_verify_full(
    home: Path, postgres_url: str, postgres_server: PostgresServer, certificate: str
) -> None:
    socket = Path(str(make_url(postgres_url).query["host"])) / NAME
    proxy = TlsProxy(socket, certificate, postgres=True)
    name = make_url(postgres_url).database
    url = f"postgresql://postgres:{PASSWORD}@localhost:{proxy.port}/{name}"
    environ = {
        "HYMO_HOME": str(home),
        "HYMO_DATABASE_URL": f"{url}?sslmode=verify-full&sslrootcert={CA}",
        "HYMO_BROKER_URL": "",
    }
    done = call("history", env=environ)
    if certificate == "good":
        assert done.exit_code == 0, done.output
        assert b"jobs" in proxy.heard
    else:
        assert done.exit_code == 7, done.output
        assert done.stderr.count("\n") == 1
        assert proxy.heard == b""
    proxy.close()
