"""A person at the web interface: logs in, and looks again and again at the page behind the login."""

from __future__ import annotations

import base64
import http.cookies
import re

from tests.client.rpc import BALANCED_BY, SERVED_BY, Answer, NotAnsweredError, NotReachedError, Response, request

BEHIND = re.compile(rb"csrftoken\s*=")  # only the page behind the login carries a token
LOGIN_FORM = b"login_form"


class Browser:
    """One session; it keeps the cookie that the last login set."""

    def __init__(self, base: str, session: str, ca: str, timeout: float) -> None:
        """Take the address of the web interface and `user:password`."""
        self._base = base.rstrip("/")
        self._login = base64.b64encode(session.encode()).decode()
        self._ca = ca
        self._timeout = timeout
        self._cookies: dict[str, str] = {}

    def login(self) -> Answer:
        """Log in; whether the session holds only a page shows."""
        return self._ask("POST", "/login", {"Authorization": f"Basic {self._login}"}, 204)

    def page(self) -> Answer:
        """Fetch the page; the login page instead of it means that the session is gone."""
        return self._ask("GET", "/", {}, 200)

    def _ask(self, method: str, path: str, headers: dict[str, str], wanted: int) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        if cookie:
            headers = {**headers, "Cookie": cookie}
        try:
            response = request(method, self._base + path, self._timeout, headers=headers, ca=self._ca)
        except NotReachedError as error:
            return Answer("failed", reason=str(error))
        except NotAnsweredError as error:
            return Answer("unknown", reason=str(error))
        who = (response.headers.get(SERVED_BY, ""), response.headers.get(BALANCED_BY, ""))
        if response.status != wanted:
            return Answer("failed", None, f"{method} {path}: HTTP {response.status}", *who)
        self._keep(response)
        if method == "POST" or BEHIND.search(response.body):
            return Answer("acknowledged", None, "", *who)
        if LOGIN_FORM in response.body:
            return Answer("logged out", None, "the login page", *who)
        return Answer("failed", None, f"{method} {path}: neither the page nor the login page", *who)

    def _keep(self, response: Response) -> None:
        for line in response.headers.get_all("Set-Cookie", []):
            self._cookies |= {name: morsel.value for name, morsel in http.cookies.SimpleCookie(line).items()}
