#!/bin/sh
# All that CI asks of the code besides its tests; goes on after a failure and names at the end what failed.
set -u

bin=.venv/bin
export DJANGO_SETTINGS_MODULE=structforge.settings.test
failed=

step() {
    name=$1
    shift
    printf '%s\n' "── $name"
    "$@" || failed="$failed, $name"
}

openapi_is_current() {
    fresh=$(mktemp)
    $bin/python manage.py spectacular --fail-on-warn --file "$fresh" && diff -u docs/openapi.yaml "$fresh"
    result=$?
    rm -f "$fresh"
    [ $result -eq 0 ] || echo "docs/openapi.yaml is not what the code says: make openapi"
    return $result
}

step format $bin/ruff format --check
step lint $bin/ruff check
step types $bin/mypy
step imports $bin/lint-imports
# It would like to ask a database too, in vain; the tests do that.
step migrations env LOG_LEVEL=critical $bin/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
step openapi openapi_is_current
step Dockerfile $bin/hadolint Dockerfile
step compose $bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
step workflow $bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml

if [ -n "$failed" ]; then
    printf '\nfailed: %s\n' "${failed#, }"
    exit 1
fi
printf '\nall checks passed\n'
