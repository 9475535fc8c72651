"""The node types that come with StructForge; importing them registers them."""

from apps.nodes.builtin import (  # noqa: F401
    code_python,
    code_shell,
    control_delay,
    control_fail,
    control_if,
    control_merge,
    control_switch,
    control_wait_event,
    control_wait_until,
    control_wait_webhook,
    data_set,
    data_transform,
    function,
    http_request,
    human_task,
    loop_foreach,
    loop_while,
    trigger_manual,
    workflow_call,
)
