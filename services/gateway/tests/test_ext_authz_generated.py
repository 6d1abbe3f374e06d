"""The committed ext_authz_pb2.py is what ext_authz.proto gives."""

import subprocess
import sys
from pathlib import Path

import gateway.edge

FOLDER = Path(gateway.edge.__file__).parent
SOURCES = FOLDER.parents[1]


def test_generated_code_is_current(tmp_path: Path) -> None:
    plugin = Path(sys.executable).with_name("protoc-gen-mypy")
    outputs = [
        f"--python_out={tmp_path}",
        f"--mypy_out=quiet:{tmp_path}",
        f"--plugin=protoc-gen-mypy={plugin}",
    ]
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{SOURCES}",
        *outputs,
        "gateway/edge/ext_authz.proto",
    ]
    subprocess.run(command, check=True)
    for made in sorted((tmp_path / "gateway" / "edge").iterdir()):
        committed = FOLDER / made.name
        assert made.read_text() == committed.read_text(), f"make it anew: {' '.join(command)}"
