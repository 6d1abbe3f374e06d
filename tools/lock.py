"""Write requirements.txt from the pyproject.toml files, or check that it still fits them.

    python tools/lock.py            resolve (needs the package index) and write requirements.txt
    python tools/lock.py --check    exit 1 when it no longer fits them, lacks a hash or names an address

uv's own lock file records where each package was downloaded from; that stays out of the repository. The
first line of requirements.txt carries a digest of every declared dependency, so a check needs no network.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements.txt"
UV = ROOT / ".bootstrap" / "bin" / "uv"
HEADER = "# Made by make lock; the declared dependencies it was made for: sha256:"
EXPORT = (
    "export --frozen --all-packages --all-extras --all-groups --no-emit-workspace --no-header --no-annotate"
)


def declared() -> str:
    """A digest of every dependency that the workspace and its members declare."""
    files = [ROOT / "pyproject.toml", ROOT / "shared" / "pyproject.toml"]
    files += sorted(ROOT.glob("services/*/pyproject.toml"))
    tables = {str(path.relative_to(ROOT)): dependencies(tomllib.loads(path.read_text())) for path in files}
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def dependencies(pyproject: dict[str, object]) -> list[object]:
    project = pyproject.get("project")
    assert isinstance(project, dict)
    keys = ("requires-python", "dependencies", "optional-dependencies")
    return [*(project.get(key) for key in keys), pyproject.get("dependency-groups")]


def lock(*, upgrade: bool) -> None:
    subprocess.run([UV, "lock", *(["--upgrade"] if upgrade else [])], cwd=ROOT, check=True)
    export = subprocess.run([UV, *EXPORT.split()], cwd=ROOT, check=True, capture_output=True, text=True)
    REQUIREMENTS.write_text(f"{HEADER}{declared()}\n{export.stdout}")


def faults(text: str) -> list[str]:
    """What is wrong with the text of requirements.txt, one sentence each."""
    found = []
    if not text.startswith(f"{HEADER}{declared()}\n"):
        found.append("a pyproject.toml declares other dependencies than this was made for: run make lock")
    if "://" in text or re.search(r"^--|^\s*-[ie]\b", text, re.MULTILINE):
        found.append("it names an address or carries an option of pip")
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    loose = [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    return found + [f"no exact version with a hash: {entry.splitlines()[0]}" for entry in loose]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write or check requirements.txt.")
    parser.add_argument("--check", action="store_true", help="only check; needs no network")
    parser.add_argument("--upgrade", action="store_true", help="take newer versions where allowed")
    arguments = parser.parse_args()
    if not arguments.check:
        lock(upgrade=arguments.upgrade)
    found = faults(REQUIREMENTS.read_text())
    if found:
        sys.exit("\n".join(f"requirements.txt: {fault}" for fault in found))


if __name__ == "__main__":
    main()
