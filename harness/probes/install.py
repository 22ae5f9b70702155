"""Probe: make two empty environments and install a lock into one of them, offline and timed.

`env` takes the installation; `bare` stays empty and is what a bare interpreter start is timed
in, because a package may ship a `.pth` file that runs at every start of its environment.
`state.json` beside them tells the ledger which files were there before and after.
"""

import argparse
import glob
import json
import os
import platform
import shutil
import subprocess
import sys
import time


def files_below(top):
    """Every path below `top` that is not a folder, relative to it."""
    found = []
    for folder, _, names in os.walk(top):
        found.extend(os.path.relpath(os.path.join(folder, name), top) for name in names)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True, help="empty folder, on one file system")
    parser.add_argument("--wheels", required=True)
    parser.add_argument("--requirements", required=True)
    parser.add_argument("--pip", help="folder that holds the pip package, which installs where uv is not given")
    parser.add_argument("--uv", help="the uv program")
    args = parser.parse_args()
    if not (args.pip or args.uv):
        parser.error("pip or uv is needed")

    env, bare = os.path.join(args.root, "env"), os.path.join(args.root, "bare")
    command = [sys.executable, "-I", "-m", "venv", "--without-pip"]
    made = [subprocess.Popen([*command, place], stdout=sys.stderr) for place in (env, bare)]
    if sum(process.wait() for process in made):  # all are waited for
        return 1
    python = os.path.join(env, "bin", "python")
    before = files_below(env)

    cache = os.path.join(args.root, "uv-cache")
    if args.uv:
        command = [args.uv, "pip", "install", "--offline", "--no-config", "--python", python]
        command += ["--cache-dir", cache, "--link-mode", "hardlink"]
    else:
        # pip's own way to act upon another environment than the one that it lives in
        command = [python, "-I", os.path.join(args.pip, "pip", "__pip-runner__.py"), "install", "--no-cache-dir"]
        command += ["--no-input", "--no-compile", "--no-warn-script-location", "--progress-bar", "off"]
        command += ["--disable-pip-version-check"]
    command += ["--no-index", "--find-links", args.wheels, "--only-binary", ":all:"]
    command += ["--require-hashes", "--no-deps", "-r", args.requirements]
    started = time.monotonic()
    install = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    unpack_seconds = time.monotonic() - started
    shutil.rmtree(cache, ignore_errors=True)
    # Beside wheels from a local folder, and only those, uv notes when the file last changed: not part of what an
    # index would have given, and of another length in every tenth installation.
    for note in glob.glob(os.path.join(env, "lib", "python3*", "site-packages", "*.dist-info", "uv_cache.json")):
        os.remove(note)
    document = {"unpack_seconds": unpack_seconds, "failure": None, "python": platform.python_version()}
    if install.returncode != 0:
        document["failure"] = install.stdout.decode("utf-8", "replace")[-4000:] or "exit %d" % install.returncode
    with open(os.path.join(args.root, "state.json"), "w") as file:
        json.dump({"before": before, "after": files_below(env)}, file)
    json.dump(document, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
