"""Tests begin with the rows of a new database, whatever those before them did to it."""

import pytest
from django.db import connection

from apps.accounts.models import User
from apps.templates.models import WorkflowTemplate
from tests import database

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_refers_to_a_table_that_grew_large_is_there_again():
    expected = WorkflowTemplate.objects.count()
    User.objects.bulk_create(User(username=f"user{number}", email=f"user{number}@example.com") for number in range(2000))
    with connection.cursor() as cursor:
        cursor.execute("select pg_relation_size(%s)", [User._meta.db_table])
        assert cursor.fetchone()[0] > database._LARGE

    database.empty()

    assert (User.objects.count(), WorkflowTemplate.objects.count()) == (0, expected)
    assert expected > 0


def test_what_was_deleted_altogether_is_there_again():
    expected = WorkflowTemplate.objects.count()
    WorkflowTemplate.objects.all().delete()

    database.empty()

    assert WorkflowTemplate.objects.count() == expected
