from django.urls import path

from apps.dialects.api import instances, processes, services, step_templates, steps

DEFINITION = "process-definitions/<int:definition_number>"
INSTANCE = "process-instances/<uuid:instance_id>"
TEMPLATE = "templates/<int:template_number>"

urlpatterns = [
    path("services", services.ServicesView.as_view(), name="services"),
    path("services/<uuid:service_id>", services.ServiceView.as_view(), name="service"),
    path("process-definitions", processes.ProcessDefinitionsView.as_view(), name="process-definitions"),
    path("process-definitions/validate", processes.ValidateProcessView.as_view(), name="validate-process-definition"),
    path(DEFINITION, processes.ProcessDefinitionView.as_view(), name="process-definition"),
    path(f"{DEFINITION}/suspend", processes.SuspendProcessView.as_view(), name="suspend-process-definition"),
    path(f"{DEFINITION}/activate", processes.ActivateProcessView.as_view(), name="activate-process-definition"),
    path("process-instances", instances.InstancesView.as_view(), name="process-instances"),
    path(INSTANCE, instances.InstanceView.as_view(), name="process-instance"),
    path(f"{INSTANCE}/history", instances.HistoryView.as_view(), name="process-instance-history"),
    path(f"{INSTANCE}/suspend", instances.SuspendInstanceView.as_view(), name="suspend-process-instance"),
    path(f"{INSTANCE}/activate", instances.ActivateInstanceView.as_view(), name="activate-process-instance"),
    path(f"{INSTANCE}/cancel", instances.CancelInstanceView.as_view(), name="cancel-process-instance"),
    path("steps", steps.StepsView.as_view(), name="steps"),
    path("steps/<int:step_number>", steps.StepView.as_view(), name="step"),
    path("templates", step_templates.StepTemplatesView.as_view(), name="step-templates"),
    path(TEMPLATE, step_templates.StepTemplateView.as_view(), name="step-template"),
    path(f"{TEMPLATE}/executions", step_templates.StepTemplateExecutionsView.as_view(), name="step-template-executions"),
    # Executions of templates stand at the address of all executions, so this is theirs too.
    path("executions", step_templates.ExecutionsInBothWordsView.as_view(), name="executions"),
    path("executions/<uuid:execution_id>/steps", step_templates.StepExecutionsView.as_view(), name="step-executions"),
]
