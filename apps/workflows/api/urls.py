from django.urls import path

from apps.workflows.api import drafts, exchange, expressions, node_types, retention, versions, views

urlpatterns = [
    path("definition-schema", views.DefinitionSchemaView.as_view(), name="definition-schema"),
    path("node-types", node_types.NodeTypesView.as_view(), name="node-types"),
    path("node-types/<str:name>", node_types.NodeTypeView.as_view(), name="node-type"),
    path("expressions/check", expressions.ExpressionCheckView.as_view(), name="check-expression"),
    path("workflows", views.WorkflowsView.as_view(), name="workflows"),
    path("workflows/validate", views.ValidateView.as_view(), name="validate-definition"),
    path("workflows/export", exchange.BundleView.as_view(), name="export-workflows"),
    path("workflows/import", exchange.ImportView.as_view(), name="import-workflows"),
    path("workflows/<uuid:workflow_id>", views.WorkflowView.as_view(), name="workflow"),
    path("workflows/<uuid:workflow_id>/unpublish", views.UnpublishView.as_view(), name="unpublish-workflow"),
    path("workflows/<uuid:workflow_id>/versions", views.VersionsView.as_view(), name="versions"),
    path("workflows/<uuid:workflow_id>/versions/<int:number>", views.VersionView.as_view(), name="version"),
    path("workflows/<uuid:workflow_id>/versions/<int:number>/publish", views.PublishView.as_view(), name="publish-version"),
    path("workflows/<uuid:workflow_id>/versions/<int:number>/rollback", versions.RollbackView.as_view(), name="roll-back"),
    path("workflows/<uuid:workflow_id>/compare", versions.CompareView.as_view(), name="compare-versions"),
    path("workflows/<uuid:workflow_id>/draft", drafts.DraftView.as_view(), name="draft"),
    path("workflows/<uuid:workflow_id>/draft/save", drafts.DraftSaveView.as_view(), name="save-draft"),
    path("workflows/<uuid:workflow_id>/export", exchange.ExportView.as_view(), name="export-workflow"),
    path("workspaces/<uuid:workspace_id>/version-retention", retention.RetentionView.as_view(), name="version-retention"),
]
