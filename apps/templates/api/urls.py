from django.urls import path

from apps.templates.api import node_views, views

urlpatterns = [
    path("workflow-templates", views.TemplatesView.as_view(), name="workflow-templates"),
    path("workflow-templates/categories", views.CategoriesView.as_view(), name="workflow-template-categories"),
    path("workflow-templates/<uuid:template_id>", views.TemplateView.as_view(), name="workflow-template"),
    path("workflow-templates/<uuid:template_id>/picture.svg", views.PictureView.as_view(), name="workflow-template-picture"),
    path("workflow-templates/<uuid:template_id>/rating", views.RatingView.as_view(), name="workflow-template-rating"),
    path("workflow-templates/<uuid:template_id>/shares", views.SharesView.as_view(), name="workflow-template-shares"),
    path("workflow-templates/<uuid:template_id>/use", views.UseView.as_view(), name="use-workflow-template"),
    path("node-templates", node_views.NodeTemplatesView.as_view(), name="node-templates"),
    path("node-templates/<uuid:node_template_id>", node_views.NodeTemplateView.as_view(), name="node-template"),
]
