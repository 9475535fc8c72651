#!/usr/bin/env python
"""StructForge from the shell."""

import os
import sys

from django.core.management import execute_from_command_line

from apps.fleet import up

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "structforge.settings.dev")
    if sys.argv[1:2] == ["up"]:
        sys.exit(up.main(sys.argv[2:]))  # not a command of Django: it starts the servers that the settings point to
    execute_from_command_line(sys.argv)
