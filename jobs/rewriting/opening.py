"""A rewriting put together from the settings."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from jobs.errors import SettingsError
from jobs.rewriting.asker import Asker
from jobs.rewriting.breaker import Breaker
from jobs.rewriting.cache import AnswerCache
from jobs.rewriting.rewriting import Rewriting
from jobs.rewriting.service import Service
from jobs.rewriting.wish import Wish

if TYPE_CHECKING:
    from jobs.settings import Settings

#: The folder of the home that answers are kept in.
FOLDER = "rewrites"


@contextmanager
def open_rewriting(
    settings: Settings, wish: Wish, *, require: bool = False, dry: bool = False
) -> Iterator[Rewriting]:
    """A rewriting by the service of the settings; ended, with what it still asks, afterwards.

    Args:
        settings: where the service is and how it is asked.
        wish: what is asked.
        require: make rows bad that did not get it.
        dry: ask nothing.

    Raises:
        SettingsError: the settings name no service or no model.
    """
    url, model = settings.rewriter_url, settings.rewriter_model
    if url is None:
        mend = "is not set; name an OpenAI-compatible service, like http://127.0.0.1:8000/v1"
        raise SettingsError("HYMO_REWRITER_URL", None, mend)
    if model is None:
        raise SettingsError("HYMO_REWRITER_MODEL", None, "is not set; name a model of the service")
    service = Service(url=url, key=settings.rewriter_key, timeout=settings.rewriter_timeout)
    stopped, breaker = threading.Event(), Breaker()
    asker = Asker(
        service=service, model=model, wish=wish, breaker=breaker, sleep=stopped.wait,
        jitter=random.random,
    )  # fmt: skip

    def stop() -> None:
        stopped.set()
        service.close()

    cache = AnswerCache(settings.home / FOLDER, url=url, model=model, wish=wish)
    rewriting = Rewriting(
        wish=wish,
        asker=None if dry else asker,
        cache=cache,
        breaker=breaker,
        concurrency=settings.rewriter_concurrency,
        require=require,
        stop=stop,
    )
    with closing(cache), closing(rewriting):
        yield rewriting
