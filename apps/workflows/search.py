"""Which workflows contain some words.

Every word is looked for as a part of the text, so that 单 finds 订单, and nothing is missed or made up: `like` decides. The indexes only
say where it is worth looking: that of trigrams for words with three letters or digits in a row, that of single characters and pairs for
all others.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, Q, TextField

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.workflows.models import Tag, Workflow, WorkflowQuerySet, WorkflowText
from apps.workflows.shares import shared_with

MAX_WORDS = 8
MAX_OTHERS = 1000  # hits among workflows that a person may run but not see
_HAS_TRIGRAM = re.compile(r"[^\W_]{3}")


def words_of(search: str) -> Sequence[str]:
    """The words of a search, as the database keeps its texts: NFKC, in small letters."""
    text = unicodedata.normalize("NFKC", search).replace("İ", "i")
    # Letter by letter, as PostgreSQL does it: of a whole word, Python would write a final sigma differently.
    return "".join(map(str.lower, text)).split()[:MAX_WORDS]


def containing(found: WorkflowQuerySet, user: User, search: str) -> WorkflowQuerySet:
    """Those of the workflows that contain every word of `search` in name, description, a tag, or name or type of a node.

    Of workflows that the person may run but not see, name and description alone count: a search must not tell what is in them.
    """
    words = words_of(search)
    hits = found.alias(grams=_grams("searched__text"))
    for word in words:
        hits = hits.filter(_contains(word, _tags(user, word)))
    seen = _seen(user)
    if not words or seen is None:
        return hits
    named = Q()
    for word in words:
        named &= Q(name__icontains=word) | Q(description__icontains=word)
    others = list(found.filter(named).exclude(seen).values_list("pk", flat=True)[:MAX_OTHERS])
    return found.filter(Q(pk__in=hits.filter(seen).values("pk")) | Q(pk__in=others)) if others else hits.filter(seen)


def _grams(column: str) -> Func:
    return Func(F(column), function="workflow_grams_v1", output_field=ArrayField(TextField()))


def _contains(word: str, tags: Sequence[UUID]) -> Q:
    if not tags:
        return _in_text(word, "searched__text")
    # Two indexes of two tables: each gives the ids that it knows.
    texts = WorkflowText.objects.alias(grams=_grams("text")).filter(_in_text(word, "text")).values("workflow_id")
    return Q(pk__in=texts.union(Workflow.tags.through.objects.filter(tag_id__in=tags).values("workflow_id"), all=True))


def _in_text(word: str, column: str) -> Q:
    contains = Q(**{f"{column}__contains": word})
    if _HAS_TRIGRAM.search(word):
        return contains
    grams = [word] if len(word) == 1 else [first + second for first, second in pairwise(word)]
    return contains & Q(grams__contains=grams)


def _tags(user: User, word: str) -> Sequence[UUID]:
    words = Func(F("name"), function="workflow_words_v1", output_field=TextField())
    return list(Tag.objects.visible_to(user).alias(words=words).filter(words__contains=word).values_list("pk", flat=True))


def _seen(user: User) -> Q | None:
    """Workflows that the person may look into; None where that is all that they know of."""
    if user.access.is_operator:
        return None
    shared = shared_with(user)
    if all(Permission.WORKFLOW_VIEW in allowed for allowed in (*shared.workflows.values(), *shared.folders.values())):
        return None
    mine = Q(workspace_id__in=user.access.workspaces_with(Permission.WORKFLOW_VIEW))
    return mine | shared.where(workflow="pk", folder="folder_id", permission=Permission.WORKFLOW_VIEW)
