"""What differs between two definitions, and what becomes of two changes of one."""

from apps.engine.changes.difference import Diff, Moved, NodeChange, Renamed, diff
from apps.engine.changes.merging import Conflict, Merged, merge
from apps.engine.changes.patching import json_patch
from apps.engine.changes.values import FieldChange, canonical_json

__all__ = ["Conflict", "Diff", "FieldChange", "Merged", "Moved", "NodeChange", "Renamed", "canonical_json", "diff", "json_patch", "merge"]
