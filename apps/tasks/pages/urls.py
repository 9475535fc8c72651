from django.urls import path

from apps.tasks.pages import login, views

urlpatterns = [
    path("tasks", views.InboxPage.as_view(), name="tasks-inbox"),
    path("tasks/login", login.LoginPage.as_view(), name="tasks-login"),
    path("tasks/logout", login.LogoutPage.as_view(), name="tasks-logout"),
    path("tasks/open/<str:task_token>", views.LinkPage.as_view(), name="tasks-link"),
    path("tasks/<int:task_id>", views.TaskPage.as_view(), name="tasks-task"),
]
