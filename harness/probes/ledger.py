"""Probe: whose is every byte that the installation added?

RECORD (https://packaging.python.org/en/latest/specifications/recording-installed-packages/) names
each installed file with its sha256 and size, so attribution and duplicates need no reading of
contents. Sizes come from the file system, and the parts are made to sum to the whole: what no
RECORD names is listed as `(unowned)`.
"""

import argparse
import csv
import glob
import json
import os
import re
import stat
import sys
from importlib.util import source_from_cache

UNOWNED = "(unowned)"
LISTED_FILES = 10
LISTED_DUPLICATES = 5
LISTED_TYPES = 10
BY_INSTALLERS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def read_records(env):
    """(relative path -> (distribution, sha256)), (distribution -> version), paths claimed twice."""
    owners, versions, contested = {}, {}, 0
    for info in sorted(glob.glob(os.path.join(env, "lib", "python3*", "site-packages", "*.dist-info"))):
        name, _, version = os.path.basename(info)[: -len(".dist-info")].rpartition("-")
        name = canonical(name)
        versions[name] = version
        site = os.path.dirname(info)
        try:
            with open(os.path.join(info, "RECORD"), newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))
        except (OSError, UnicodeDecodeError, csv.Error):
            continue  # what it should have named is listed as unowned
        for row in rows:
            if len(row) < 2:
                continue
            path = os.path.relpath(os.path.normpath(os.path.join(site, row[0])), env)
            if path in owners and owners[path][0] != name:
                contested += 1
            owners.setdefault(path, (name, row[1]))
    return owners, versions, contested


def owner_of(path, owners):
    """Bytecode belongs to whoever owns its source."""
    if path in owners:
        return owners[path][0]
    if path.endswith(".pyc") and os.path.basename(os.path.dirname(path)) == "__pycache__":
        try:
            return owners.get(source_from_cache(path), (UNOWNED, ""))[0]
        except ValueError:
            return UNOWNED
    return UNOWNED


def type_of(path):
    """`.so` for `libx.so.12`, `.py`, ..., `(none)`."""
    name = os.path.basename(path).lower()
    if re.search(r"\.so(\.\d+)*$", name):
        return ".so"
    return os.path.splitext(name)[1] or "(none)"


def tally(paths, env, owners):
    """Bytes over unique (device, inode): totals, by distribution, by type, and each file's size."""
    total = {"files": 0, "bytes": 0, "allocated": 0}
    distributions, types, sizes, seen = {}, {}, {}, set()
    for path in sorted(paths):
        info = os.lstat(os.path.join(env, path))
        if stat.S_ISDIR(info.st_mode) or (info.st_dev, info.st_ino) in seen:
            continue
        seen.add((info.st_dev, info.st_ino))
        sizes[path] = info.st_size
        total["files"] += 1
        total["bytes"] += info.st_size
        total["allocated"] += info.st_blocks * 512
        for table, key in ((distributions, owner_of(path, owners)), (types, type_of(path))):
            entry = table.setdefault(key, [0, 0])
            entry[0] += 1
            entry[1] += info.st_size
    return total, distributions, types, sizes


def heaviest(table, most):
    """The `most` heaviest entries and one `(other)`, so that they still sum to the whole."""
    ordered = sorted(table.items(), key=lambda item: (-item[1][1], item[0]))
    rows = [{"name": key, "files": files, "bytes": size} for key, (files, size) in ordered[:most]]
    rest = ordered[most:]
    if rest:
        rows.append({"name": "(other)", "files": sum(e[0] for _, e in rest), "bytes": sum(e[1] for _, e in rest)})
    return rows


def duplicates(sizes, owners):
    """Files with the same sha256 in different places, and what a single copy would save."""
    groups = {}
    for path, size in sizes.items():
        digest = owners.get(path, ("", ""))[1]
        if digest and size:
            groups.setdefault((digest, size), []).append(path)
    repeated = sorted(
        ((size * (len(paths) - 1), sorted(paths)) for (_, size), paths in groups.items() if len(paths) > 1),
        key=lambda item: (-item[0], item[1]),
    )
    return {
        "groups": len(repeated),
        "bytes": sum(wasted for wasted, _ in repeated),
        "largest": [
            {"bytes": wasted, "copies": len(paths), "paths": paths[:2]}
            for wasted, paths in repeated[:LISTED_DUPLICATES]
        ],
    }


def is_by_installer(path):
    """Whether an installer writes this file, or rewrites it: a RECORD gets lines, a script its interpreter's path."""
    folder, name = os.path.split(path)
    return folder == "bin" or (folder.endswith(".dist-info") and name in BY_INSTALLERS)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--bytecode", action="store_true", help="only what compiling added since the installation")
    args = parser.parse_args()
    env = os.path.join(args.root, "env")
    with open(os.path.join(args.root, "state.json")) as file:
        state = json.load(file)
    before, after = set(state["before"]), set(state["after"])
    owners, versions, contested = read_records(env)
    if args.bytecode:
        now = set()
        for folder, _, names in os.walk(env):
            now.update(os.path.relpath(os.path.join(folder, name), env) for name in names if name.endswith(".pyc"))
        paths = now - after
    else:
        paths = after - before
    total, by_distribution, by_type, sizes = tally(paths, env, owners)

    def listed(named):
        return [{"path": path, "distribution": owner_of(path, owners), "bytes": sizes[path]} for path in named]

    document = {
        "total": total,
        "distributions": [
            {"name": name, "version": versions.get(name, ""), "files": entry[0], "bytes": entry[1]}
            for name, entry in sorted(by_distribution.items(), key=lambda item: (-item[1][1], item[0]))
        ],
        "types": heaviest(by_type, LISTED_TYPES),
        "largest": listed(sorted(sizes, key=lambda path: (-sizes[path], path))[:LISTED_FILES]),
        "written": listed(filter(is_by_installer, sizes)),
        "duplicates": duplicates(sizes, owners),
        "contested": contested,
    }
    json.dump(document, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
