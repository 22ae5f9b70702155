"""Standalone scripts that run inside a sandbox; `images/README.md` is their contract.

This package only says where they are. No probe imports the harness, or anything outside of
the standard library, and each runs on every Python that can be measured.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
