#!/bin/sh
# The step vocabulary from the library to the record of an execution. HOST: the server. SERVICE: what is notified over HTTP.
calls=$(dirname "$0")/step
. "$(dirname "$0")/lib.sh"

TOKEN=$(curl -H "Content-Type: application/json" -d '{"username":"admin","password":"password123"}' "$HOST/api/v1/auth/login" | jq -r .access)
step() { api POST /steps "$(sed "s|<service>|$SERVICE|" "$calls/release.json" | jq ".[$1]")"; }

checkout=$(step 0)
same "defaults" "$(printf '%s' "$checkout" | jq -c '[.timeout, .retry_count]')" '[300,0]'
checkout=$(printf '%s' "$checkout" | jq .id)
tests=$(step 1 | jq .id)
lint=$(step 2 | jq .id)
notify=$(step 3 | jq .id)
same "the library" "$(api GET '/steps?executor_type=shell' | jq '.results | length')" 3

template=$(api POST /templates "{\"name\": \"release\", \"description\": \"Check and tell\", \"steps\": [
    {\"step_id\": $checkout, \"dependencies\": [], \"run_mode\": \"serial\", \"on_failure\": \"abort\", \"order_num\": 1},
    {\"step_id\": $tests, \"dependencies\": [$checkout], \"run_mode\": \"parallel\", \"on_failure\": \"retry\", \"order_num\": 2},
    {\"step_id\": $lint, \"dependencies\": [$checkout], \"run_mode\": \"parallel\", \"on_failure\": \"continue\", \"order_num\": 3},
    {\"step_id\": $notify, \"dependencies\": [$tests, $lint], \"run_mode\": \"serial\", \"on_failure\": \"abort\", \"order_num\": 4}]}")
same "status" "$(printf '%s' "$template" | jq -r .status)" active
template=$(printf '%s' "$template" | jq .id)

execution=$(api POST /executions "{\"template_id\": $template, \"executed_by\": \"ops\", \"remarks\": \"first release\"}" | jq -r .id)
until_same "the end" success "api GET /executions/$execution/steps | jq -r .status"
record=$(api GET "/executions/$execution/steps")
same "the record" "$(printf '%s' "$record" | jq -c '[.template_id, .executed_by, .remarks, .completed_at != null]')" "[$template,\"ops\",\"first release\",true]"
same "its steps" "$(printf '%s' "$record" | jq -r '[.steps[] | "\(.step_name) \(.status) \(.attempt)"] | sort | join(", ")')" \
    "checkout success 1, lint failed 2, notify success 1, unit tests success 1"
same "what was said" "$(printf '%s' "$record" | jq -r '.steps[] | select(.step_name == "unit tests") | .output.stdout')" "unit passed"
same "the list" "$(api GET "/executions?template_id=$template" | jq -r '.results[].id')" "$execution"

same "inactive" "$(api PATCH "/templates/$template" '{"status": "inactive"}' | jq -r .status)" inactive
refused=$(api POST /executions "{\"template_id\": $template}" || true)
same "an inactive template" "$(printf '%s' "$refused" | jq -r .code)" workflow_not_published
refused=$(api POST /templates "{\"name\": \"round\", \"steps\": [{\"step_id\": $tests, \"dependencies\": [$lint]}, {\"step_id\": $lint, \"dependencies\": [$tests]}]}" || true)
same "a cycle" "$(printf '%s' "$refused" | jq -r '.details.errors[0].found' | grep -c 'lint.*->.*unit_tests\|unit_tests.*->.*lint')" 1
