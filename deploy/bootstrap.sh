#!/bin/sh
# Make .venv and install a lock file into it, unless that was done before: sh deploy/bootstrap.sh requirements.lock
set -eu

lock=$1
venv=.venv
python=$venv/bin/python

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# The first Python that is new enough. PYTHON=/path/to/python3 comes before all.
find_python() {
    for candidate in ${PYTHON:-} python3 python3.11 python3.12 python3.13; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    found=$(python3 --version 2>&1 || true)
    fail "StructForge needs Python 3.11 or newer; found: ${found:-none}. Install one, or name it: make run PYTHON=/path/to/python3"
}

make_venv() {
    base=$(find_python)
    "$base" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$base lacks the module venv. On Debian and Ubuntu: apt install python3-venv"
    rm -rf $venv
    "$base" -m venv $venv
}

hash_of() { "$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"; }

# What pip says goes to a log, of which a terminal sees one line that moves.
install() {
    total=$(grep -c '==' "$lock")
    log=$venv/install.log
    say "Installing $total packages of $lock into $venv (a minute or so, this once)"
    {
        PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 "$python" -m pip install \
            --require-hashes --only-binary :all: --progress-bar off --requirement "$lock" 2>&1 || echo "FAILED"
    } | tee "$log" | if [ -t 2 ]; then
        awk -v total="$total" '/^Collecting/ { printf "\r\033[K  %d/%d  %s", ++n, total, $2 > "/dev/stderr" }
            /^Installing collected/ { printf "\r\033[K  unpacking" > "/dev/stderr" } END { printf "\r\033[K" > "/dev/stderr" }'
    else cat >/dev/null; fi
    if [ "$(tail -n 1 "$log")" = FAILED ]; then
        tail -n 15 "$log" >&2
        fail "The packages could not be installed; $log has everything that pip said."
    fi
}

"$python" -c '' 2>/dev/null || make_venv
stamp=$venv/installed-$(basename "$lock")
hash=$(hash_of "$lock")
[ "$(cat "$stamp" 2>/dev/null || true)" = "$hash" ] && exit 0
install
echo "$hash" >"$stamp"
