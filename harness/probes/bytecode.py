"""Probe: compile everything that was installed, timed."""

import argparse
import json
import os
import subprocess
import sys
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    args = parser.parse_args()
    env = os.path.join(args.root, "env")
    workers = len(os.sched_getaffinity(0))
    command = [os.path.join(env, "bin", "python"), "-I", "-m", "compileall", "-q", "-j", str(workers)]
    started = time.monotonic()
    # compileall reports what it could not compile (templates, Python 2 leftovers) and goes on, as installers do
    run = subprocess.run([*command, os.path.join(env, "lib")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seconds = time.monotonic() - started
    uncompiled = run.stdout.count(b"*** Error compiling")
    failure = None
    if run.returncode != 0 and not uncompiled:
        failure = run.stdout.decode("utf-8", "replace")[-2000:] or "exit %d" % run.returncode
    json.dump(
        {"bytecode_seconds": seconds, "workers": workers, "uncompiled": uncompiled, "failure": failure}, sys.stdout
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
