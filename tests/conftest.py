import django

from tests import services

services.start()
django.setup()
