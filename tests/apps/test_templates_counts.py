"""Use counts and ratings while many people are at it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from apps.accounts.actions import create_user
from apps.accounts.models import User
from apps.accounts.queries import personal_workspace
from apps.templates.actions import rate_template, use_template
from apps.templates.models import WorkflowTemplate

PEOPLE = 12


def at_once(act: Callable[[User], Any]) -> WorkflowTemplate:
    """Have that many people do it at the same time; returns the template that it was done with."""

    def run(user: User) -> None:
        try:
            act(user)
        finally:
            connections.close_all()

    people = [create_user(username=f"p{number}", password=None) for number in range(PEOPLE)]
    with ThreadPoolExecutor(PEOPLE) as pool:
        list(pool.map(run, people))
    return WorkflowTemplate.objects.get(slug="first-steps")


@pytest.mark.django_db(transaction=True)
def test_no_vote_and_no_use_is_lost_where_many_come_at_once():
    template = WorkflowTemplate.objects.get(slug="first-steps")

    def act(user: User) -> None:
        rate_template(template=template, user=user, stars=5)
        use_template(template=template, workspace=personal_workspace(user), language="en", created_by=user)
        rate_template(template=template, user=user, stars=4)

    now = at_once(act)
    assert (now.use_count, now.rating_count, now.rating_sum) == (PEOPLE, PEOPLE, 4 * PEOPLE)


@pytest.mark.django_db(transaction=True)
def test_one_person_has_one_vote_however_often_it_is_sent():
    template = WorkflowTemplate.objects.get(slug="first-steps")
    ada = create_user(username="ada", password=None)

    now = at_once(lambda _: rate_template(template=template, user=ada, stars=3))
    assert (now.rating_count, now.rating_sum, now.ratings.count()) == (1, 3, 1)
