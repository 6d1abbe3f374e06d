#!/usr/bin/env bash
# What `make bench` measures Giro beside and nothing of Giro needs: into .build/peers, hashes checked.
# Without a package index the benchmark says which peer it could not ask, and goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
INTO=.build/peers
cmp -s loadtests/peers.txt "$INTO/installed.txt" && exit 0
# uv does not read pip's configuration; where only pip is told of a mirror, tell uv too
if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    INDEX=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$INDEX" ] || export UV_DEFAULT_INDEX=$INDEX
fi
rm -rf "$INTO"
if .bootstrap/bin/uv pip install --quiet --python .venv/bin/python --target "$INTO" --no-deps --require-hashes \
    -r loadtests/peers.txt; then
    cp loadtests/peers.txt "$INTO/installed.txt"
else
    echo "peers are not installed: they are left out of the report" >&2
fi
