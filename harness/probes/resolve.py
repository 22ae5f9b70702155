"""Probe: compile one requirement to pins with pip-compile, and tell this target's wheel tags.

Runs inside the target, because pip evaluates markers for the interpreter it runs on. The only
probe that has a network, and the only one that is given tools (pip-tools and what it needs).
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", required=True, help="folder that holds pip, pip-tools, packaging")
    parser.add_argument("--requirement", required=True)
    parser.add_argument("--uploaded-prior-to", required=True, help="instant, with its zone")
    parser.add_argument("--index-url")
    args = parser.parse_args()
    if not args.uploaded_prior_to.endswith("Z"):  # pip ignores an empty one, and takes a bare date as local
        parser.error("--uploaded-prior-to needs an instant that ends with Z")

    with tempfile.TemporaryDirectory() as work:
        source, output = os.path.join(work, "in.txt"), os.path.join(work, "out.txt")
        with open(source, "w") as file:
            file.write(args.requirement + "\n")
        pip_args = "--only-binary=:all: --use-feature=fast-deps --no-input --disable-pip-version-check"
        command = [sys.executable, "-m", "piptools", "compile", "--no-config", "--verbose", "--allow-unsafe"]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--no-emit-trusted-host", "--no-emit-options", "--strip-extras"]
        command += ["--cache-dir", os.path.join(work, "cache"), "--output-file", output]
        command += ["--uploaded-prior-to", args.uploaded_prior_to, "--pip-args", pip_args]
        command += ["--index-url", args.index_url] if args.index_url else []
        run = subprocess.run(
            [*command, source],
            env=dict(os.environ, PYTHONPATH=args.tools, PIP_CONFIG_FILE=os.devnull),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        text = run.stdout.decode("utf-8", "replace")
        pins = []
        if run.returncode == 0:
            with open(output) as file:
                pins = [line.split("#")[0].strip() for line in file]

    sys.path.insert(0, args.tools)
    import packaging.tags

    document = {
        "pins": [pin for pin in pins if pin and not pin.startswith("-")],
        "failure": None if run.returncode == 0 else text[-16000:],
        "tags": [str(tag) for tag in packaging.tags.sys_tags()],
        "python": platform.python_version(),
    }
    json.dump(document, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
