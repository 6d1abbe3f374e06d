#!/usr/bin/env bash
# Makes a fresh Debian 12 (python3, pip, apt; root or sudo) ready for `make run` and `make test`:
#   PostgreSQL 15 + PostGIS, espeak-ng, SIPp and libical by apt, uv into .bootstrap/, Python packages (hashes checked)
#   into .venv/.
# Run again it looks at one stamp and leaves in well under a second.
# GIRO_DATABASE_URL set: an existing server is used, so PostgreSQL is not installed.
set -Eeuo pipefail

cd "$(dirname "$0")/.."
ROOT=$PWD
VENV=$ROOT/.venv
BOOTSTRAP=$ROOT/.bootstrap
LOG=$ROOT/.run/logs/setup.log
MEMBERS=(shared services/identity services/booking services/geo services/reminders services/gateway
    services/allinone services/cli)

STEP="looking at what is there"
ADVICE="read $LOG"

say() { printf '%s\n' "$*" >&2; }

begin() {
    STEP=$1
    ADVICE=$2
    STARTED=$SECONDS
    if [ -t 2 ]; then printf '  %-62s' "$STEP ..." >&2; fi
}

finish() {
    if [ ! -t 2 ]; then printf '  %-62s' "$STEP ..." >&2; fi
    say "${1:-done} ($((SECONDS - STARTED)) s)"
}

# A failed step says which, why (the last lines it printed) and what to do.
fail() {
    trap - ERR
    [ "$BASH_SUBSHELL" = 0 ] || exit 1
    say ""
    say "setup failed at: $STEP"
    if [ -s "$LOG" ]; then
        say "why (end of $LOG):"
        tail -n 15 "$LOG" | sed 's/^/    /' >&2
    fi
    say "what to do: $ADVICE"
    exit 1
}
trap fail ERR

# --- the stamp ---------------------------------------------------------------------------------------------

fingerprint() {
    { echo "$ROOT"; cat requirements.txt .python-version tools/setup.sh tools/bootstrap.txt pyproject.toml \
        "${MEMBERS[@]/%//pyproject.toml}"; } | sha256sum | cut -d' ' -f1
}

# PostgreSQL 15 or newer with PostGIS for the same version: Debian keeps each version in a folder of its own.
has_postgis() {
    local bin version
    for bin in /usr/lib/postgresql/*/bin; do
        version=${bin#/usr/lib/postgresql/}
        version=${version%/bin}
        [ -x "$bin/initdb" ] && [ -e "/usr/share/postgresql/$version/extension/postgis.control" ] \
            && [ "$version" -ge 15 ] && return 0
    done
    return 1
}

database_is_given() { [ -n "${GIRO_DATABASE_URL:-}" ]; }

up_to_date() {
    [ "$(cat "$VENV/.giro-stamp" 2>/dev/null)" = "$(fingerprint)" ] && [ -x "$VENV/bin/python" ] \
        && { database_is_given || has_postgis; }
}

# --- PostgreSQL --------------------------------------------------------------------------------------------

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

may_be_root() {
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null || return 1
    sudo -n true 2>/dev/null && return 0
    [ -t 0 ] && { say ""; sudo -v; }
}

postgis_package() {
    if apt-cache show postgresql-15-postgis-3 >/dev/null 2>&1; then
        echo postgresql-15-postgis-3
    else
        apt-cache pkgnames postgresql- | grep -E '^postgresql-(1[5-9]|[2-9][0-9])-postgis-3$' | sort -V | tail -n 1
    fi
}

# A private cluster is made under .run/; Debian's own "main" on port 5432 would only be in somebody's way.
without_system_cluster() {
    local conf=/etc/postgresql-common/createcluster.d/giro-setup.conf
    if [ -d /usr/lib/postgresql ]; then "$@"; return; fi
    as_root mkdir -p "$(dirname "$conf")"
    echo "create_main_cluster = false" | as_root tee "$conf" >/dev/null
    local rc=0
    "$@" || rc=$?
    as_root rm -f "$conf"
    return $rc
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@"
}

install_postgresql() {
    begin "PostgreSQL 15 + PostGIS: list of packages" \
        "as root: apt-get update && apt-get install --no-install-recommends postgresql-15-postgis-3; or set GIRO_DATABASE_URL to an existing server with PostGIS (make run only)"
    command -v apt-get >/dev/null || { echo "no apt-get here, and no PostgreSQL 15 with PostGIS" >>"$LOG"; fail; }
    may_be_root || { echo "you are not root and sudo is not to be had" >>"$LOG"; fail; }
    as_root apt-get update -q -o Acquire::Retries=3 >>"$LOG" 2>&1
    finish
    begin "PostgreSQL 15 + PostGIS: installing (about 50 packages)" "$ADVICE"
    local package
    package=$(postgis_package)
    [ -n "$package" ] || { echo "apt knows no PostGIS for PostgreSQL 15 or newer" >>"$LOG"; fail; }
    without_system_cluster apt_install "$package" >>"$LOG" 2>&1
    has_postgis
    finish
}

# --- SIP calls: speech, and an independent telephone to test against --------------------------------------

# Wanted, not needed: without them calls over SIP can't be made here and their tests are skipped, saying so.
install_sip_tools() {
    if command -v espeak-ng >/dev/null && command -v sipp >/dev/null; then return 0; fi
    begin "espeak-ng and SIPp (calls over SIP)" "$ADVICE"
    if ! command -v apt-get >/dev/null || ! may_be_root; then finish "not to be had here"; return 0; fi
    if { apt-cache show sip-tester >/dev/null 2>&1 || as_root apt-get update -q -o Acquire::Retries=3; } >>"$LOG" 2>&1 \
        && apt_install espeak-ng sip-tester >>"$LOG" 2>&1; then
        finish
    else
        finish "not to be had, see $LOG"
    fi
}

# Wanted, not needed: a second judge of the calendars that are sent; its test is skipped without it.
install_calendar_judge() {
    if compgen -G "/usr/lib/*/libical.so.3" >/dev/null; then return 0; fi
    begin "libical (judges calendars in tests)" "$ADVICE"
    if ! command -v apt-get >/dev/null || ! may_be_root; then finish "not to be had here"; return 0; fi
    # newer releases of Debian call it libical3t64
    if apt_install libical3 >>"$LOG" 2>&1 || apt_install libical3t64 >>"$LOG" 2>&1; then
        finish
    elif as_root apt-get update -q -o Acquire::Retries=3 >>"$LOG" 2>&1 && apt_install libical3 >>"$LOG" 2>&1; then
        finish
    else
        finish "not to be had, see $LOG"
    fi
}

# --- Python ------------------------------------------------------------------------------------------------

a_python_with_pip() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -m pip --version >/dev/null 2>&1; then echo "$candidate"; return; fi
    done
    return 1
}

# pip refuses to touch Debian's own Python (PEP 668); a folder of ours needs neither venv nor that permission.
install_uv() {
    begin "uv (package installer)" "install python3 and python3-pip (apt-get install python3-pip), check that pip reaches its package index"
    local python
    python=$(a_python_with_pip) || { echo "no python3 with pip" >>"$LOG"; fail; }
    rm -rf "$BOOTSTRAP"
    "$python" -m pip install --quiet --disable-pip-version-check --no-warn-script-location --require-hashes \
        --target "$BOOTSTRAP" -r tools/bootstrap.txt >>"$LOG" 2>&1
    cp tools/bootstrap.txt "$BOOTSTRAP/installed.txt"
    finish
}

# uv does not read pip's configuration; where only pip is told of a mirror, tell uv too.
follow_pip_index() {
    [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ] || return 0
    local python index
    python=$(a_python_with_pip) || return 0
    index=${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX=$index
}

prepare_uv() {
    UV=$BOOTSTRAP/bin/uv
    cmp -s tools/bootstrap.txt "$BOOTSTRAP/installed.txt" || install_uv
    if ! mkdir -p "${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv}" 2>/dev/null; then
        export UV_CACHE_DIR=$BOOTSTRAP/cache UV_PYTHON_INSTALL_DIR=$BOOTSTRAP/python
    fi
    follow_pip_index
}

# 3.12 wherever it is (PATH, pyenv, uv's own); else uv's download; else the system's 3.11 or newer, said plainly.
choose_python() {
    local wanted found
    wanted=$(cat .python-version)
    for found in "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}/versions/$wanted".*/bin/python3; do
        if [ -x "$found" ]; then PYTHON=$found; return; fi
    done
    if PYTHON=$("$UV" python find --no-project "$wanted" 2>>"$LOG"); then return; fi
    begin "Python $wanted (download)" "$ADVICE"
    if UV_HTTP_TIMEOUT=30 UV_HTTP_RETRIES=1 timeout 180 "$UV" python install "$wanted" >>"$LOG" 2>&1 \
        && PYTHON=$("$UV" python find --no-project "$wanted" 2>>"$LOG"); then
        finish
        return
    fi
    finish "not to be had"
    PYTHON=$("$UV" python find --no-project --system ">=3.11" 2>>"$LOG") || {
        echo "no Python 3.11 or newer found, and $wanted could not be downloaded" >>"$LOG"
        ADVICE="install Python 3.12 (or Debian 12's python3) and run this again"
        fail
    }
    say "  note: going on with $("$PYTHON" --version 2>&1). Everything works on it except real roads"
    say "        (make run ROADS=...), whose engine has no package for Python older than $wanted."
}

make_venv() {
    begin "Python environment" "rm -rf .venv and run this again"
    choose_python
    local version have=""
    version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    [ ! -x "$VENV/bin/python" ] || have=$("$VENV/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' || true)
    STEP="Python environment"
    [ "$have" = "$version" ] || "$UV" venv --quiet --no-project --clear --python "$PYTHON" "$VENV" >>"$LOG" 2>&1
    finish "Python $version"
}

# Compiled here once: where PYTHONDONTWRITEBYTECODE is set, every process would compile seconds' worth of imports anew.
install_packages() {
    begin "Python packages (hashes checked)" \
        "check that this machine reaches its Python package index; behind a mirror set UV_DEFAULT_INDEX"
    rm -f "$VENV/.giro-stamp"
    "$UV" pip sync --quiet --compile-bytecode --python "$VENV/bin/python" --require-hashes requirements.txt >>"$LOG" 2>&1
    finish
    begin "Giro's own packages" "read $LOG"
    "$UV" pip install --quiet --python "$VENV/bin/python" --no-deps "${MEMBERS[@]/#/--editable=}" >>"$LOG" 2>&1
    finish
}

# --- all of it ---------------------------------------------------------------------------------------------

if up_to_date; then exit 0; fi

mkdir -p "$(dirname "$LOG")"
: >"$LOG"
say "setting up Giro (what each step printed: .run/logs/setup.log)"
if ! database_is_given && ! has_postgis; then install_postgresql; fi
install_sip_tools
install_calendar_judge
prepare_uv
make_venv
install_packages
fingerprint >"$VENV/.giro-stamp"
