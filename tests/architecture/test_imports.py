import subprocess
import sys

IMPORT_THE_ENGINE = """
import pkgutil
import sys
from importlib.abc import MetaPathFinder

BLOCKED = {"django", "celery", "kombu", "redis", "psycopg", "channels", "rest_framework", "structforge", "workers"}


class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not there")


sys.meta_path.insert(0, Blocker())
import apps.engine

for module in pkgutil.walk_packages(apps.engine.__path__, "apps.engine."):
    __import__(module.name)
    print(module.name)
"""


def test_the_engine_loads_where_django_and_celery_are_absent():
    done = subprocess.run([sys.executable, "-c", IMPORT_THE_ENGINE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "apps.engine.planner" in done.stdout


def test_imports_go_one_way():
    # In a process of its own: it sets up logging anew, and so silences every logger that there is.
    check = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=None))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
