from django.urls import path

from apps.tasks.api import absences, discussing, views

TASK = "tasks/<int:task_id>"

urlpatterns = [
    path("tasks", views.TasksView.as_view(), name="tasks"),
    path("tasks/counts", views.CountsView.as_view(), name="task-counts"),
    path("tasks/bulk", views.BulkView.as_view(), name="task-bulk"),
    path(TASK, views.TaskView.as_view(), name="task"),
    path(f"{TASK}/complete", views.CompleteView.as_view(), name="complete-task"),
    path(f"{TASK}/claim", views.ClaimView.as_view(), name="claim-task"),
    path(f"{TASK}/release", views.ReleaseView.as_view(), name="release-task"),
    path(f"{TASK}/delegate", views.DelegateView.as_view(), name="delegate-task"),
    path(f"{TASK}/comments", discussing.CommentsView.as_view(), name="task-comments"),
    path(f"{TASK}/attachments", discussing.AttachmentsView.as_view(), name="task-attachments"),
    path(f"{TASK}/attachments/<uuid:attachment_id>", discussing.AttachmentView.as_view(), name="task-attachment"),
    path("task-links/<str:task_token>", views.TaskLinkView.as_view(), name="task-link"),
    path("task-links/<str:task_token>/complete", views.CompleteLinkView.as_view(), name="complete-task-link"),
    path("absences", absences.AbsencesView.as_view(), name="absences"),
    path("absences/<uuid:absence_id>", absences.AbsenceView.as_view(), name="absence"),
]
