"""Which of a project's pages a Locust file begins with: those whose views answer GET, from all of its apps."""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe
from django.views.generic import RedirectView, TemplateView, View
from every import every

from loadlab.settings_override.routes import answers_get, in_turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest


def view(request: HttpRequest, *_: object) -> HttpResponse:
    return HttpResponse(request.path)


def logged(wrapped: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(wrapped)
    def wrapper(*arguments: Any) -> HttpResponse:
        return wrapped(*arguments)

    return wrapper


class Posting(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.path)


class SignOut(TemplateView):
    http_method_names = ("POST", "options")


def viewset(actions: dict[str, str], *names: str) -> Callable[..., HttpResponse]:
    """A view as Django REST framework's `as_view` leaves it: a function with these attributes."""

    def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.path)

    kind = type("Set", (View,), {"http_method_names": names or ("get", "post")})
    answer.cls, answer.actions, answer.initkwargs = kind, actions, {}  # type: ignore[attr-defined]
    return csrf_exempt(answer)


@every(
    ("asked", "answers"),
    [
        (view, True),
        (partial(view, 1), True),
        (require_GET(view), True),
        (require_safe(view), True),
        (require_POST(view), False),
        (logged(csrf_exempt(require_POST(view))), False),
        (partial(require_http_methods(["PUT", "PATCH"])(view), 1), False),
        (RedirectView.as_view(url="/"), True),
        (Posting.as_view(), False),
        (SignOut.as_view(), False),
        (logged(SignOut.as_view()), False),
        (TemplateView.as_view(http_method_names=["post"]), False),
        (viewset({"get": "list", "post": "create"}), True),
        (viewset({"post": "create"}), False),
        (viewset({"get": "list"}, "post"), False),
    ],
)
def test_a_view_is_asked_for_if_its_class_and_decorators_let_get_through(
    asked: Callable[..., HttpResponse], *, answers: bool
) -> None:
    assert answers_get(asked) is answers


def test_the_shallowest_routes_come_first_and_the_apps_take_turns() -> None:
    found = {f"/api/dcim/{number}/": "dcim" for number in range(40)} | {"/ipam/prefixes/": "ipam", "/about/": "core"}
    assert in_turns(found | {"/": "core"})[:4] == ["/", "/about/", "/ipam/prefixes/", "/api/dcim/0/"]
