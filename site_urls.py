from django.db import connection
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse(str(connection.in_atomic_block)))]
