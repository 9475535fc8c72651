from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "apps.executions"
    label = "executions"

    def ready(self) -> None:
        from apps.accounts.tenancy import hooks  # noqa: PLC0415  # models are there only now
        from apps.executions.limits import forget_person  # noqa: PLC0415
        from apps.executions.models import Execution  # noqa: PLC0415
        from apps.executions.run_time import run_time_problems  # noqa: PLC0415
        from apps.workflows.checks import check_before_saving  # noqa: PLC0415

        hooks.when_somebody_leaves(forget_person)
        check_before_saving(run_time_problems)
        hooks.count_as_content("executions", lambda workspace_id: Execution.objects.filter(workspace_id=workspace_id).count())
