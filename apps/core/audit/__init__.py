"""Record who did what to what. Any layer may: what is here needs no table, only the SQL function of `apps.audit`."""

from apps.core.audit.record import record, together
from apps.core.audit.scene import acting
from apps.core.audit.verbs import Verb

__all__ = ["Verb", "acting", "record", "together"]
