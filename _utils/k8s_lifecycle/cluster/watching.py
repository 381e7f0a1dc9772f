"""A collection of the API as it is now: listed, then watched, and listed again now and then.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from k8s_lifecycle.cluster.api import Api, Json

WATCH_FOR = 300
SILENT_FOR = 90.0  # bookmarks come every minute
AGAIN_AFTER = 2.0

Kept = TypeVar("Kept")


class Watched(Generic[Kept]):
    """What is kept of each object of a collection, by a thread of its own."""

    def __init__(
        self, collection: str, keep: Callable[[Json], Kept | None], changed: threading.Event
    ) -> None:
        """keep: returns what is of interest of an object, or None. changed: is set where that changes."""
        self._collection, self._keep, self._changed = collection, keep, changed
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] | None = None

    def start(self) -> None:
        """Begin to watch, until the process ends."""
        threading.Thread(target=self._follow_for_ever, name=self._collection, daemon=True).start()

    def now(self) -> list[Kept] | None:
        """Return what there is; None where that is not known at the moment."""
        with self._lock:
            return None if self._kept is None else list(self._kept.values())

    def follow(self, api: Api) -> None:
        """List the collection and watch it for a while. Raises: `KubernetesError`."""
        listed = api.get(self._collection)
        kept = {_key(one): value for one in listed["items"] if (value := self._keep(one)) is not None}
        with self._lock:
            changed, self._kept = kept != self._kept, kept
        if changed:
            self._changed.set()
        for event in api.watch(self._collection, listed["metadata"]["resourceVersion"], WATCH_FOR):
            if event["type"] == "ERROR":  # the version is too old by now
                return
            if event["type"] != "BOOKMARK":
                self._note(event)

    def _note(self, event: Json) -> None:
        key = _key(event["object"])
        value = None if event["type"] == "DELETED" else self._keep(event["object"])
        with self._lock:
            kept = {one: other for one, other in (self._kept or {}).items() if one != key}
            if value is not None:
                kept[key] = value
            changed, self._kept = kept != self._kept, kept
        if changed:
            self._changed.set()

    def _follow_for_ever(self) -> None:
        said = ""
        while True:
            try:
                # Anew each time: the administrator's certificate is renewed within a year.
                self.follow(Api.local(timeout=SILENT_FOR))
                wrong = ""
            except Exception as error:  # whatever it was: what is known gets out of date from now on
                wrong = f"watching {self._collection}: {type(error).__name__}: {error}; trying again"
                with self._lock:
                    self._kept = None
            if wrong and wrong != said:
                print(wrong)
            said = wrong
            time.sleep(AGAIN_AFTER)


def _key(manifest: Json) -> str:
    return f"{manifest['metadata'].get('namespace', '')}/{manifest['metadata']['name']}"
