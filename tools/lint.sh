#!/usr/bin/env bash
# Every check of `make lint`, all of them even when one fails; what failed is named again at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
BIN=.venv/bin
FAILED=()

check() {
    local name=$1 started=$SECONDS output
    shift
    if output=$("$@" 2>&1); then
        printf '  ok      %-26s %3d s\n' "$name" $((SECONDS - started))
    else
        printf '  FAILED  %-26s %3d s\n%s\n' "$name" $((SECONDS - started)) "$output"
        FAILED+=("$name")
    fi
}

typed_folders() {
    local folder
    for folder in shared/kit services/*/*/ tools loadtests; do
        case $folder in */tests/ | */build/ | */__pycache__/) continue ;; esac
        [ -z "$(find "$folder" -name '*.py' -print -quit 2>/dev/null)" ] || printf '%s\n' "${folder%/}"
    done
}

# Against the last commit while contracts are being edited, else against the one before it.
breaking() {
    local base=${GIRO_BREAKING_BASE:-}
    if [ -z "$base" ]; then
        if git diff --quiet HEAD -- protos 2>/dev/null; then base=HEAD~1; else base=HEAD; fi
    fi
    if ! git cat-file -e "$base:protos/buf.yaml" 2>/dev/null; then
        echo "no earlier contracts to compare with"
        return 0
    fi
    "$BIN/buf" breaking protos --against ".git#ref=$(git rev-parse "$base"),subdir=protos"
}

check "ruff check" "$BIN/ruff" check
check "ruff format" "$BIN/ruff" format --check
mapfile -t FOLDERS < <(typed_folders)
check "mypy --strict" "$BIN/mypy" "${FOLDERS[@]}"
check "dependency rule" "$BIN/lint-imports" --no-cache
check "contracts (buf lint)" "$BIN/buf" lint protos
check "contracts (buf breaking)" breaking
check "generated code" "$BIN/python" tools/gen.py --check
check "OpenAPI page" "$BIN/python" -m gateway openapi --check
check "requirements" "$BIN/python" tools/lock.py --check

if [ ${#FAILED[@]} -gt 0 ]; then
    printf 'lint failed: %s\n' "$(IFS=,; echo "${FAILED[*]}")"
    exit 1
fi
echo "lint passed"
