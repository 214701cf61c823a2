"""The shop's routes and the views behind them."""

from django.db import connections
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from shop.models import Item


def items(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"items": Item.objects.count()})


def item(request: HttpRequest, number: int) -> JsonResponse:
    return JsonResponse({"item": number})


def everywhere(request: HttpRequest) -> JsonResponse:
    """Asks every alias, as a project with replicas would."""
    return JsonResponse({alias: Item.objects.using(alias).count() for alias in connections})


urlpatterns = [
    path("items/", items),
    path("items/<int:number>/", item),
    path("inner/", include([path("everywhere/", everywhere), path("<slug:name>/", items)])),
    path("logout/", items),
]
