import pytest

from apps.executions.connection import close_pool
from tests.factories import make_version
from tests.workers.model import Rows


@pytest.fixture
def committed_rows(transactional_db):
    version = make_version()
    rows = Rows()
    rows.workspace, rows.workflow, rows.version = version.workspace_id, version.workflow_id, version.id
    yield rows
    close_pool()
