"""The pure parts in Node, where there is one."""

import shutil
import subprocess
from pathlib import Path

import pytest


def test_the_rules_in_node():
    node = shutil.which("node")
    if not node:
        pytest.skip("There is no node here")
    file = Path(__file__).with_name("rules.test.mjs")
    ran = subprocess.run([node, "--test", str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout[-4_000:] + ran.stderr[-2_000:]
