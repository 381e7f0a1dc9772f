"""An API server in memory: objects by path, versions, compare-and-set, merge patches."""

import copy
import itertools

from k8s_lifecycle.cluster.api import ConflictError, NotFoundError


class FakeApi:
    """Answers like `Api`; `calls` has what was changed, `before_write` runs before each change."""

    def __init__(self, objects=None):
        self.versions = itertools.count(1)
        self.objects = {}
        self.calls = []
        self.before_write = lambda: None
        for path, manifest in (objects or {}).items():
            self._store(path, manifest)

    def get(self, path, **query):
        children = [found for at, found in self.objects.items() if at.rpartition("/")[0] == path]
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        if children or path in ("/api/v1/nodes",) or query:
            return {"items": copy.deepcopy([found for found in children if self._selected(found, query)])}
        raise NotFoundError(404, "NotFound", f"{path} not found")

    def find(self, path):
        return copy.deepcopy(self.objects.get(path))

    def create(self, path, manifest):
        at = f"{path}/{manifest['metadata']['name']}"
        self._write("create", at)
        if at in self.objects:
            raise ConflictError(409, "AlreadyExists", f"{at} exists")
        self._store(at, manifest)

    def replace(self, path, manifest):
        at = path.removesuffix("/approval")
        self._write("replace", path)
        self._check(at, manifest["metadata"].get("resourceVersion"))
        self._store(at, manifest)

    def merge(self, path, patch):
        self._write("merge", path)
        self._check(path, patch.get("metadata", {}).get("resourceVersion"))
        self._store(path, _merged(self.objects[path], patch))
        return self.get(path)

    def delete(self, path, **query):
        self._write("delete", path)
        return self.objects.pop(path, None) is not None

    def _write(self, verb, path):
        self.before_write()
        self.calls.append((verb, path))

    def _check(self, path, version):
        if path not in self.objects:
            raise NotFoundError(404, "NotFound", f"{path} not found")
        if version is not None and version != self.objects[path]["metadata"]["resourceVersion"]:
            raise ConflictError(409, "Conflict", f"{path} changed")

    def _store(self, path, manifest):
        stored = copy.deepcopy(dict(manifest))
        stored["metadata"] = {**stored["metadata"], "resourceVersion": str(next(self.versions))}
        self.objects[path] = stored

    @staticmethod
    def _selected(found, query):
        wanted = query.get("fieldSelector", "")
        signer = wanted.removeprefix("spec.signerName=") if wanted.startswith("spec.signerName=") else None
        return signer is None or found["spec"]["signerName"] == signer


def _merged(base, patch):
    merged = dict(base)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merged(base.get(key) or {}, value)
        else:
            merged[key] = value
    return merged
