import os

os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
from django.conf import settings
from django.test import Client

django.setup()
print(Client().get("/").content.decode(), settings.WORD)
