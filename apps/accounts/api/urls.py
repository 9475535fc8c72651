from django.urls import path

from apps.accounts.api.tenancy import urls as tenancy
from apps.accounts.api.views import LoginView, LogoutView, MeView, RefreshView

urlpatterns = [
    path("auth/login", LoginView.as_view(), name="login"),
    path("auth/refresh", RefreshView.as_view(), name="refresh"),
    path("auth/logout", LogoutView.as_view(), name="logout"),
    path("users/me", MeView.as_view(), name="me"),
    *tenancy.urlpatterns,
]
