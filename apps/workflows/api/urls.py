from django.urls import path

from apps.workflows.api import expressions, node_types, views

urlpatterns = [
    path("definition-schema", views.DefinitionSchemaView.as_view(), name="definition-schema"),
    path("node-types", node_types.NodeTypesView.as_view(), name="node-types"),
    path("node-types/<str:name>", node_types.NodeTypeView.as_view(), name="node-type"),
    path("expressions/check", expressions.ExpressionCheckView.as_view(), name="check-expression"),
    path("workflows", views.WorkflowsView.as_view(), name="workflows"),
    path("workflows/validate", views.ValidateView.as_view(), name="validate-definition"),
    path("workflows/<uuid:workflow_id>", views.WorkflowView.as_view(), name="workflow"),
    path("workflows/<uuid:workflow_id>/unpublish", views.UnpublishView.as_view(), name="unpublish-workflow"),
    path("workflows/<uuid:workflow_id>/versions", views.VersionsView.as_view(), name="versions"),
    path("workflows/<uuid:workflow_id>/versions/<int:number>", views.VersionView.as_view(), name="version"),
    path("workflows/<uuid:workflow_id>/versions/<int:number>/publish", views.PublishView.as_view(), name="publish-version"),
]
