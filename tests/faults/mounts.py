"""Disks of a test's own, to fill, remount and take away."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Disk:
    """A tmpfs. Only root mounts one: elsewhere its test is skipped.

    Args:
        path: where it is mounted.
        size: as mount(8) takes it.
    """

    path: Path
    size: str = "64m"

    def mount(self) -> None:
        """Mount it, empty."""
        needs_mounts()
        self.path.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", str(self.path))

    def remount(self, options: str) -> None:
        """Change its options, such as `size=64m` or `ro`."""
        _run("mount", "-o", f"remount,{options}", str(self.path))

    def bind(self, source: Path) -> None:
        """Mount a folder here instead: what is in it is there again after `detach`."""
        needs_mounts()
        _run("mount", "--bind", str(source), str(self.path))

    def detach(self) -> None:
        """Take it away, whoever uses it."""
        _run("umount", "-l", str(self.path))

    def close(self) -> None:
        """Take away whatever is still mounted."""
        # `Path.is_mount` does not see a folder of the same disk that is mounted here.
        words = ("umount", "-l", str(self.path))
        while subprocess.run(words, capture_output=True, check=False).returncode == 0:
            pass


def needs_mounts() -> None:
    """Skip the test where this user may not mount or make namespaces; fail it in CI."""
    from tests.conftest import unavailable

    if os.geteuid() != 0:
        unavailable("a mount", PermissionError("only root can mount"))
    tried = "unshare -m -p --fork mount -t tmpfs tmpfs /mnt"
    done = subprocess.run(tried.split(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        unavailable("a mount", OSError(done.stderr.strip()))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
