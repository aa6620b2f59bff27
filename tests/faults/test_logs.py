"""Logs of a home are rotated by `hymo up`, and by workers whose supervisor is gone."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.faults.plant import Plant, Running
from worker.locks import worker_lock

SMALL = {"HYMO_LOG_MIB": "0.001", "HYMO_LOG_FILES": "2"}


def rotated(plant: Plant, name: str, by: Running) -> Path:
    """The newest earlier file of a log, once it is there."""
    path = plant.home / "logs" / f"{name}.1"

    def there() -> bool:
        assert by.process.poll() is None, by.said
        return path.exists()

    plant.until(there, f"{name} is rotated")
    return path


def test_a_worker_rotates_the_logs_of_its_home(plant: Plant) -> None:
    """Nobody supervises it. It works on, and so does whoever has the log open."""
    log = plant.home / "logs" / "broker.log"
    log.parent.mkdir()
    with log.open("ab", buffering=0) as file:  # as the embedded server has it
        file.write(b"x" * 2000)
        worker = plant.worker("w", **SMALL)
        assert rotated(plant, "broker.log", worker).read_bytes() == b"x" * 2000
        file.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    plant.submit(2)
    plant.finish(2)


def test_up_rotates_the_logs_of_workers_that_do_not_run(plant: Plant) -> None:
    """A worker that waits for its device, or falls again and again, rotates nothing itself."""
    log = plant.home / "logs" / "worker-falls.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * 2000)
    device = worker_lock(plant.home, device="cpu", name=f"{socket.gethostname()}-cpu")
    assert device.take() is None
    up = plant.start("up", "up", "--devices", "cpu", "--models", "null", **SMALL)
    assert rotated(plant, "worker-falls.log", up).read_bytes() == b"x" * 2000
    device.free()
