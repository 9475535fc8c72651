from django.urls import path

from apps.accounts.api import key_views, mfa_views, registration_views, views
from apps.accounts.api.tenancy import urls as tenancy
from apps.accounts.oidc import PROVIDER

_SERVICE_ACCOUNTS = "workspaces/<uuid:workspace_id>/service-accounts"
_SERVICE_ACCOUNT = f"{_SERVICE_ACCOUNTS}/<uuid:account_id>"

urlpatterns = [
    path("auth/options", registration_views.LoginOptionsView.as_view(), name="login_options"),
    path("auth/register", registration_views.RegisterView.as_view(), name="register"),
    path("auth/login", views.LoginView.as_view(), name="login"),
    path("auth/login/mfa", mfa_views.MfaLoginView.as_view(), name="login_mfa"),
    path("auth/login/passkey/options", mfa_views.PasskeyLoginOptionsView.as_view(), name="login_passkey_options"),
    path("auth/login/passkey", mfa_views.PasskeyLoginView.as_view(), name="login_passkey"),
    path("auth/refresh", views.RefreshView.as_view(), name="refresh"),
    path("auth/logout", views.LogoutView.as_view(), name="logout"),
    path("auth/session", registration_views.SessionTokensView.as_view(), name="session_tokens"),
    path("auth/reauthenticate", mfa_views.ReauthenticateView.as_view(), name="reauthenticate"),
    path("auth/reauthenticate/options", mfa_views.ReauthenticateOptionsView.as_view(), name="reauthenticate_options"),
    path("auth/email/verify", registration_views.VerifyEmailView.as_view(), name="verify_email"),
    path("auth/password/reset", registration_views.PasswordResetView.as_view(), name="request_password_reset"),
    path("auth/password/reset/confirm", registration_views.PasswordResetConfirmView.as_view(), name="reset_password"),
    path("auth/password/change", registration_views.PasswordChangeView.as_view(), name="change_password"),
    path("auth/oidc/login", registration_views.OidcLoginView.as_view(), name="oidc_login"),
    # allauth looks for the callback by this name.
    path("auth/oidc/callback", registration_views.OidcCallbackView.as_view(), {"provider_id": PROVIDER}, name="openid_connect_callback"),
    path("users/me", views.MeView.as_view(), name="me"),
    path("users/me/sessions", views.SessionsView.as_view(), name="sessions"),
    path("users/me/sessions/<uuid:session_id>", views.SessionView.as_view(), name="session"),
    path("users/me/mfa", mfa_views.MfaView.as_view(), name="mfa"),
    path("users/me/mfa/totp", mfa_views.TotpView.as_view(), name="totp"),
    path("users/me/mfa/totp/confirm", mfa_views.TotpConfirmView.as_view(), name="totp_confirm"),
    path("users/me/mfa/recovery-codes", mfa_views.RecoveryCodesView.as_view(), name="recovery_codes"),
    path("users/me/mfa/passkeys", mfa_views.PasskeysView.as_view(), name="passkeys"),
    path("users/me/mfa/passkeys/options", mfa_views.PasskeyOfferView.as_view(), name="passkey_options"),
    path("users/me/mfa/passkeys/<int:passkey_id>", mfa_views.PasskeyView.as_view(), name="passkey"),
    path("users/me/api-keys", key_views.ApiKeysView.as_view(), name="api_keys"),
    path("users/me/api-keys/<uuid:key_id>", key_views.ApiKeyView.as_view(), name="api_key"),
    path(_SERVICE_ACCOUNTS, key_views.ServiceAccountsView.as_view(), name="service_accounts"),
    path(_SERVICE_ACCOUNT, key_views.ServiceAccountView.as_view(), name="service_account"),
    path(f"{_SERVICE_ACCOUNT}/api-keys", key_views.ServiceAccountKeysView.as_view(), name="service_account_keys"),
    path(f"{_SERVICE_ACCOUNT}/api-keys/<uuid:key_id>", key_views.ServiceAccountKeyView.as_view(), name="service_account_key"),
    *tenancy.urlpatterns,
]
