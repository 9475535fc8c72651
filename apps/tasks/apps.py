from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "apps.tasks"
    label = "tasks"

    def ready(self) -> None:
        from apps.accounts.tenancy import hooks  # noqa: PLC0415  # models are there only now
        from apps.tasks.absences import forget_absences  # noqa: PLC0415
        from apps.tasks.holding import give_back  # noqa: PLC0415

        hooks.when_somebody_leaves(give_back)
        hooks.when_somebody_leaves(forget_absences)
