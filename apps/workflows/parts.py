"""Nodes and edges of versions as rows, so that one can ask which workflows use a node type. The definition stays the truth."""

from django.db import connection

from apps.workflows.models import WorkflowVersion

# Made by PostgreSQL from the document that it has just stored: nothing travels, however many they are.
_NODES = """
    insert into workflow_node (version_id, key, type, name)
    select v.id, n.key, n.type, coalesce(n.name, '')
      from workflow_version v, jsonb_to_recordset(v.definition -> 'nodes') as n(key text, type text, name text)
     where v.id = %s
"""
_EDGES = """
    insert into workflow_edge (version_id, source, port, target)
    select v.id, e.source, coalesce(e.port, 'out'), e.target
      from workflow_version v, jsonb_to_recordset(coalesce(v.definition -> 'edges', '[]')) as e(source text, port text, target text)
     where v.id = %s
"""


def record_parts(version: WorkflowVersion) -> None:
    """Write the rows of a version that was stored just now."""
    with connection.cursor() as cursor:
        cursor.execute(_NODES, [version.pk])
        cursor.execute(_EDGES, [version.pk])
