"""The WSGI application; loading it may query."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "holding.settings")
application = get_wsgi_application()

if settings.QUERIES_AT_START:
    from holding.asking import ask

    ask()
