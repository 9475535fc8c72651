from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "apps.workflows"
    label = "workflows"

    def ready(self) -> None:
        from apps.accounts.tenancy import hooks  # noqa: PLC0415  # models are there only now
        from apps.workflows import tenancy  # noqa: PLC0415

        hooks.count_as_content("workflows", tenancy.count_workflows)
        hooks.when_somebody_leaves(tenancy.take_back_grants)
