"""Load modules with Salt's own loader in a process of its own: what it finds depends on the whole process.

Reads {"opts": {...}, "wanted": {type: {module: name}}}, prints {type: {module: its file or what is wrong}}.
"""

import json
import sys

import salt.config
import salt.loader


def loaders(opts):
    utils = salt.loader.utils(opts)
    functions = salt.loader.minion_mods(opts, utils=utils)
    runners = salt.loader.runner(opts, utils=utils)
    return {
        "_modules": functions,
        "_runners": runners,
        "_engines": salt.loader.engines(opts, functions, runners, utils),
        "_states": salt.loader.states(opts, functions, utils, None),
        "_pillar": salt.loader.pillars(opts, functions),
        "_output": salt.loader.outputters(opts),
    }


def source(loader, module, name):
    """The file of a loaded function, or why it is not there."""
    if name not in loader:
        return f"not loaded: {getattr(loader, 'missing_modules', {}).get(module)}"
    return getattr(loader[name], "func", loader[name]).__code__.co_filename


def main():
    request = json.load(sys.stdin)
    opts = salt.config.master_config(None)
    opts.update({"grains": {}, **request["opts"]})
    found = {}
    for kind, loader in loaders(opts).items():
        names = request["wanted"].get(kind, {})
        found[kind] = {module: source(loader, module, name) for module, name in names.items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
