#!/bin/sh
# The process vocabulary from login to the end of an instance. The calls and forms in process/ stand as in the document of the vocabulary.
# HOST: the server. SERVICE: where OrderValidationService is. The next definition has to be number 123, the next task 789.
calls=$(dirname "$0")/process
. "$(dirname "$0")/lib.sh"

call health >/dev/null
TOKEN=$(call login | jq -r .access)
api POST /services "{\"name\": \"OrderValidationService\", \"base_url\": \"$SERVICE\"}" >/dev/null

made=$(api POST /process-definitions "$(cat "$calls/definition.json")")
same "number of the definition" "$(printf '%s' "$made" | jq .id)" 123
same "its steps" "$(printf '%s' "$made" | jq -Sc .steps)" "$(jq -Sc .steps "$calls/definition.json")"
same "the list" "$(api GET /process-definitions | jq -r '.results[0].name')" "订单处理流程"

instance=$(call instance | jq -r .id)
same "found by its business key" "$(api GET '/process-instances?business_key=ORDER-001' | jq -r '.results[].id')" "$instance"

until_same "the task" '789 payment_check' "call tasks | jq -r '.results[] | \"\\(.id) \\(.title)\"'"
same "what is answered" "$(call complete | jq -r .status)" completed
until_same "the end" success "api GET /process-instances/$instance | jq -r .status"
same "its variables" "$(api GET "/process-instances/$instance" | jq -c '[.variables.approved, .variables.comments, .variables.order_id]')" \
    '[true,"审批通过","ORDER-001"]'
same "its history" "$(api GET "/process-instances/$instance/history" | jq -r '[.results[] | .step_id + " " + .status] | join(", ")')" \
    "validate_order success, payment_check success"
same "the task list" "$(call tasks | jq '.results | length')" 0

# The three advanced steps, as they stand: each is a process of its own.
process() { jq -n --arg name "$1" --argjson variables "$2" --slurpfile step "$calls/$1.json" '{name: $name, variables: $variables, steps: $step}'; }
start() { jq -n --argjson id "$1" --argjson variables "$2" '{process_definition_id: $id, variables: $variables}'; }
current() { api GET "/process-instances/$1" | jq -r '.current_steps | sort | join(" ")'; }

number=$(api POST /process-definitions "$(process exclusive '{"amount": "number"}')" | jq .id)
large=$(api POST /process-instances "$(start "$number" '{"amount": 1500}')" | jq -r .id)
small=$(api POST /process-instances "$(start "$number" '{"amount": 1000}')" | jq -r .id)
until_same "the way of 1500" manager_approval "current $large"
until_same "the way of 1000" auto_approve "current $small"

number=$(api POST /process-definitions "$(process parallel '{}')" | jq .id)
side=$(api POST /process-instances "$(start "$number" '{}')" | jq -r .id)
until_same "three tasks at the same time" 'credit_check fraud_check inventory_check' "current $side"
for task in $(api GET '/tasks?assignee=current_user' | jq -r '.results[] | select(.title | endswith("_check")) | .id'); do
    same "the process before its last task" "$(api GET "/process-instances/$side" | jq -r .status)" running
    api PUT "/tasks/$task/complete" '{"variables": {}}' >/dev/null
done
until_same "the end of the three" success "api GET /process-instances/$side | jq -r .status"

number=$(api POST /process-definitions "$(process timer '{}')" | jq .id)
timer=$(api POST /process-instances "$(start "$number" '{}')" | jq -r .id)
until_same "the timer waits" timer_event "current $timer"
printf '%s\n' "$timer"
