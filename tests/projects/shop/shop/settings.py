"""A project that is not loadlab's own: what it is in a test, the test says in the environment."""

import json
import os

SECRET_KEY = "a shop of no secrets"
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
ALLOWED_HOSTS = ["shop.example"]
INSTALLED_APPS = ["shop"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
USE_TZ = True
DATABASES = json.loads(os.environ.get("SHOP_DATABASES", '{"default": {"ENGINE": "django.db.backends.sqlite3"}}'))
