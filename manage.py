#!/usr/bin/env python
"""StructForge from the shell."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "structforge.settings.dev")
    execute_from_command_line(sys.argv)
