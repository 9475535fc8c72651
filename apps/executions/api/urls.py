from django.urls import path

from apps.executions.api import bulk_reruns, comparing, migrating, reruns, shared, starting, uncertain, views

EXECUTION = "executions/<uuid:execution_id>"
SHARED = "shared/<str:token>"
NODE_RUN = f"{EXECUTION}/nodes/<str:key>"

urlpatterns = [
    path("executions", views.ExecutionsView.as_view(), name="executions"),
    path("executions/bulk", starting.BulkStartView.as_view(), name="bulk-start"),
    path("executions/uncertain", uncertain.UncertainView.as_view(), name="uncertain-node-runs"),
    path("executions/rerun-bulk", bulk_reruns.BulkRerunsView.as_view(), name="bulk-reruns"),
    path("executions/rerun-bulk/<uuid:bulk_id>", bulk_reruns.BulkRerunView.as_view(), name="bulk-rerun"),
    path("executions/rerun-bulk/<uuid:bulk_id>/cancel", bulk_reruns.CancelBulkRerunView.as_view(), name="cancel-bulk-rerun"),
    path("workflows/<uuid:workflow_id>/migrate", migrating.MigrateView.as_view(), name="migrate-executions"),
    path(f"{EXECUTION}/compare/<uuid:other_id>", comparing.CompareExecutionsView.as_view(), name="compare-executions"),
    path(f"{EXECUTION}/rerun", reruns.RerunView.as_view(), name="rerun-execution"),
    path(EXECUTION, views.ExecutionView.as_view(), name="execution"),
    path(f"{EXECUTION}/output", views.ExecutionOutputView.as_view(), name="execution-output"),
    path(f"{EXECUTION}/events", views.EventsView.as_view(), name="events"),
    path(f"{EXECUTION}/cancel", views.CancelView.as_view(), name="cancel-execution"),
    path(f"{EXECUTION}/pause", views.PauseView.as_view(), name="pause-execution"),
    path(f"{EXECUTION}/resume", views.ResumeView.as_view(), name="resume-execution"),
    path(f"{EXECUTION}/nodes", views.NodeRunsView.as_view(), name="node-runs"),
    path(NODE_RUN, views.NodeRunView.as_view(), name="node-run"),
    path(f"{NODE_RUN}/output", views.NodeRunOutputView.as_view(), name="node-run-output"),
    path(f"{NODE_RUN}/resolve", views.ResolveView.as_view(), name="resolve-node-run"),
    path(SHARED, shared.SharedView.as_view(), name="shared"),
    path(f"{SHARED}/accept", shared.AcceptView.as_view(), name="accept-link"),
    path(f"{SHARED}/executions", shared.SharedStartView.as_view(), name="shared-start"),
    path(f"{SHARED}/executions/<uuid:execution_id>", shared.SharedExecutionView.as_view(), name="shared-execution"),
    path(f"{SHARED}/executions/<uuid:execution_id>/output", shared.SharedOutputView.as_view(), name="shared-output"),
]
