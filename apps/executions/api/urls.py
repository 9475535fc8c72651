from django.urls import path

from apps.executions.api import breakpoints, holds, shared, starting, views, waking

EXECUTION = "executions/<uuid:execution_id>"
SHARED = "shared/<str:token>"
NODE_RUN = f"{EXECUTION}/nodes/<str:key>"

urlpatterns = [
    path("executions", views.ExecutionsView.as_view(), name="executions"),
    path("executions/bulk", starting.BulkStartView.as_view(), name="bulk-start"),
    path(EXECUTION, views.ExecutionView.as_view(), name="execution"),
    path(f"{EXECUTION}/output", views.ExecutionOutputView.as_view(), name="execution-output"),
    path(f"{EXECUTION}/events", views.EventsView.as_view(), name="events"),
    path(f"{EXECUTION}/cancel", views.CancelView.as_view(), name="cancel-execution"),
    path(f"{EXECUTION}/pause", views.PauseView.as_view(), name="pause-execution"),
    path(f"{EXECUTION}/resume", views.ResumeView.as_view(), name="resume-execution"),
    path(f"{EXECUTION}/breakpoints", breakpoints.BreakpointsView.as_view(), name="breakpoints"),
    path(f"{EXECUTION}/step", breakpoints.StepView.as_view(), name="step-execution"),
    path(f"{EXECUTION}/continue", breakpoints.ContinueView.as_view(), name="continue-execution"),
    path(f"{EXECUTION}/edit", breakpoints.EditView.as_view(), name="edit-execution"),
    path(f"{EXECUTION}/nodes", views.NodeRunsView.as_view(), name="node-runs"),
    path(NODE_RUN, views.NodeRunView.as_view(), name="node-run"),
    path(f"{NODE_RUN}/output", views.NodeRunOutputView.as_view(), name="node-run-output"),
    path(f"{NODE_RUN}/resolve", views.ResolveView.as_view(), name="resolve-node-run"),
    path("holds", holds.HoldsView.as_view(), name="holds"),
    path("holds/<uuid:hold_id>", holds.HoldView.as_view(), name="hold"),
    path("signals", waking.SignalsView.as_view(), name="signals"),
    path("resume/<str:token>", waking.ResumeView.as_view(), name="resume"),
    path(SHARED, shared.SharedView.as_view(), name="shared"),
    path(f"{SHARED}/accept", shared.AcceptView.as_view(), name="accept-link"),
    path(f"{SHARED}/executions", shared.SharedStartView.as_view(), name="shared-start"),
    path(f"{SHARED}/executions/<uuid:execution_id>", shared.SharedExecutionView.as_view(), name="shared-execution"),
    path(f"{SHARED}/executions/<uuid:execution_id>/output", shared.SharedOutputView.as_view(), name="shared-output"),
]
