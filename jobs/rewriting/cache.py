"""Answers cached on disk, so that a resubmit sends no requests and gets the same prompts.

They have a separate SQLite file, since the jobs' database may be shared with other machines. Any
number of submits can use it at once, and answers survive a `kill -9`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from pathlib import Path

from jobs.home import make_home
from jobs.rewriting.answer import Answer, checked
from jobs.rewriting.errors import AnswerError
from jobs.rewriting.wish import Wish

NAME = "answers.db"
#: Seconds to wait for another process that holds the file's lock.
PATIENCE = 10.0

_TABLE = """
CREATE TABLE IF NOT EXISTS answers_1 (
    key TEXT PRIMARY KEY,
    prompt TEXT NOT NULL,
    answer TEXT NOT NULL,
    made_at REAL NOT NULL
) WITHOUT ROWID
"""


class AnswerCache:
    """The answers of one service and model to one wish. Thread-safe.

    If the file cannot be used, the submit goes on: answers are kept in memory, and `fault` contains
    the reason.

    Args:
        folder: folder of the file, in the home; both are created if missing.
        url, model: the service and its model; part of the key of an answer.
        wish: what is asked for; part of the key of an answer.
    """

    def __init__(self, folder: Path, *, url: str, model: str, wish: Wish) -> None:
        self._wish = wish
        self._service = [url.rstrip("/"), model, wish.instructions()]
        self._lock = threading.Lock()
        self._unwritten: dict[str, str] = {}
        self._file: sqlite3.Connection | None = None
        self._path = folder / NAME
        self.fault: str | None = None
        try:
            make_home(folder.parent)
            folder.mkdir(exist_ok=True)
            self._file = sqlite3.connect(
                self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            self._note(error)

    def get(self, prompt: str) -> Answer | None:
        """The cached answer for a prompt; None if there is no usable one."""
        with self._lock:
            text = self._read(self._key(prompt))
        return self._usable(text)

    def put(self, prompt: str, answer: Answer) -> Answer:
        """Cache an answer and return the first one that was cached for the prompt."""
        key = self._key(prompt)
        with self._lock:
            there = self._read(key)
            if self._usable(there) is None:
                # Replace only an unusable answer: another submit may have cached one meanwhile,
                # and both must use the same.
                text = json.dumps(answer.document(), ensure_ascii=False)
                self._write(key, prompt, text, instead=there)
                there = self._read(key)
        return self._usable(there) or answer

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _key(self, prompt: str) -> str:
        identity = json.dumps([*self._service, prompt], ensure_ascii=False)
        return hashlib.sha256(identity.encode()).hexdigest()

    def _usable(self, text: str | None) -> Answer | None:
        try:
            return None if text is None else checked(json.loads(text), self._wish)
        except (ValueError, AttributeError, AnswerError):  # The file was edited or damaged.
            return None

    def _read(self, key: str) -> str | None:
        if self._file is None or key in self._unwritten:
            return self._unwritten.get(key)
        try:
            query = "SELECT answer FROM answers_1 WHERE key = ?"
            # An unfinished query would hold a lock on the file.
            rows = self._file.execute(query, (key,)).fetchall()
        except sqlite3.Error as error:
            self._note(error)
            return None
        return str(rows[0][0]) if rows else None

    def _write(self, key: str, prompt: str, text: str, *, instead: str | None) -> None:
        try:
            if self._file is None:
                raise sqlite3.OperationalError(self.fault or "the file is closed")
            self._file.execute(
                "INSERT INTO answers_1 VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET answer = excluded.answer, made_at = excluded.made_at WHERE answer = ?",
                (key, prompt, text, time.time(), instead),
            )
        except sqlite3.Error as error:
            self._note(error)
            self._unwritten[key] = text

    def _note(self, error: Exception) -> None:
        self.fault = self.fault or f"{self._path}: {getattr(error, 'strerror', None) or error}"
