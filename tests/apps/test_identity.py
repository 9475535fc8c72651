"""What accounts keep: sessions that age, secrets that are encrypted, constraints that hold."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from asgiref.sync import async_to_sync
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import IntegrityError, transaction
from django.utils import timezone
from redis import Redis

from apps.accounts.actions import create_user, deactivate_user
from apps.accounts.adapters import MfaAdapter
from apps.accounts.api_keys import create_key, find_key
from apps.accounts.mfa import is_mfa_on, reset_mfa
from apps.accounts.models import ApiKey, LoginSession, User
from apps.accounts.permissions import Permission
from apps.accounts.queries import personal_workspace
from apps.accounts.sessions import SessionStore
from workers.sweepers import BATCH, Sweeper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> User:
    return create_user(username="ada", password=None)


def make_session(user: User | None, **age: int) -> SessionStore:
    session = SessionStore()
    if user is not None:
        session[SESSION_KEY] = str(user.pk)
    session["x"] = 1
    session.set_expiry(timezone.now() + timedelta(**age))
    session.save()
    return session


def test_a_session_says_whose_it_is(ada):
    key = make_session(ada, hours=1).session_key
    assert LoginSession.objects.get(pk=key).user == ada
    assert LoginSession.objects.get(pk=make_session(None, hours=1).session_key).user is None


def test_a_session_that_a_coroutine_writes_says_so_too(ada):
    session = make_session(ada, hours=1)
    async_to_sync(session.asave)()
    assert LoginSession.objects.get(pk=session.session_key).user == ada


def test_expired_sessions_are_pruned_and_open_ones_are_not(ada):
    for _ in range(3):
        make_session(ada, hours=-1)
    kept = [make_session(ada, hours=1).session_key, make_session(None, minutes=1).session_key]
    sweeper = Sweeper(redis=Redis.from_url(settings.REDIS_URL))
    assert sweeper.prune_expired in sweeper.sweeps
    assert sweeper.prune_expired() == 3
    assert set(LoginSession.objects.values_list("pk", flat=True)) == set(kept)


def test_pruning_goes_on_until_nothing_is_left(ada):
    gone = timezone.now() - timedelta(hours=1)
    LoginSession.objects.bulk_create(LoginSession(session_key=f"k{n}", session_data="", expire_date=gone) for n in range(BATCH + 1))
    assert Sweeper(redis=Redis.from_url(settings.REDIS_URL)).prune_expired() == BATCH + 1


def test_who_is_deactivated_has_no_session_and_no_key_that_counts(ada):
    make_session(ada, hours=1)
    _, key = create_key(
        owner=ada, workspace=personal_workspace(ada), name="x", scopes=[Permission.WORKFLOW_VIEW], expires_at=None, created_by=ada
    )
    assert find_key(key)
    deactivate_user(user=ada)
    assert not find_key(key)
    assert not LoginSession.objects.exists()


def test_second_factors_are_read_with_a_former_key_and_with_no_other(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the first key", []
    kept = MfaAdapter().encrypt("a secret")
    assert "a secret" not in kept
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the second key", ["the first key"]
    assert MfaAdapter().decrypt(kept) == "a secret"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(InvalidToken):
        MfaAdapter().decrypt(kept)


def test_second_factors_are_reset(ada):
    Authenticator.objects.create(user=ada, type="totp", data={"secret": ""})
    assert is_mfa_on(ada)
    reset_mfa(user=ada)
    assert not is_mfa_on(ada)


def test_a_service_account_has_a_workspace_and_is_no_operator(ada):
    for wrong in (
        {"kind": "service"},
        {"kind": "person", "service_of": personal_workspace(ada)},
        {"kind": "service", "service_of": personal_workspace(ada), "is_superuser": True},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create(username="x", **wrong)


def test_a_key_has_scopes(ada):
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.create(user=ada, workspace=personal_workspace(ada), name="x", prefix="sf_", digest="x", scopes=[])


def test_a_scope_that_is_no_right_any_more_allows_nothing(ada):
    row, key = create_key(
        owner=ada, workspace=personal_workspace(ada), name="x", scopes=[Permission.WORKFLOW_VIEW], expires_at=None, created_by=ada
    )
    ApiKey.objects.filter(pk=row.pk).update(scopes=["workflow.view", "workflow.former"])
    found = find_key(key)
    assert found is not None
    assert found.user.access.permissions == {row.workspace_id: frozenset({Permission.WORKFLOW_VIEW})}
