# What both scripts share. HOST is where the server is; `calls` the folder of the calls.
set -eu
export CURL_HOME="$calls"
TOKEN=

# Run a call as it stands in its file, but for the host and the token.
call() { sed -e "s|http://localhost:8080|$HOST|g" -e "s|<token>|$TOKEN|g" "$calls/$1.curl" | sh; }

# api METHOD PATH [JSON]: a call that the document names and does not write out.
api() {
    if [ $# -gt 2 ]; then
        printf '%s' "$3" | curl -X "$1" "$HOST/api/v1$2" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" --data-binary @-
    else
        curl -X "$1" "$HOST/api/v1$2" -H "Authorization: Bearer $TOKEN"
    fi
}

# same WHAT FOUND EXPECTED
same() { [ "$2" = "$3" ] || { printf '%s: expected %s, found %s\n' "$1" "$3" "$2" >&2; exit 1; }; }

# until_same WHAT EXPECTED COMMAND: ask until the answer is the expected one, for a minute and a half.
until_same() {
    ends=$(($(date +%s) + 90))
    until [ "$(eval "$3")" = "$2" ]; do
        [ "$(date +%s)" -lt "$ends" ] || same "$1" "$(eval "$3")" "$2"
        sleep 0.2
    done
}
