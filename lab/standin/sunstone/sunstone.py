"""Sunstone: the login, the page behind it, the pools, the session."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
from pathlib import Path

from . import VERSION
from .document import pretty, short, tree
from .sessions import Memcached, Memory, Session, Store
from .web import Answer, Application, Log, Oned, Refused, Request, StartError, Unreachable

PAGES = Path(__file__).parent / "pages"
OPEN = {"/", "/login", "/version"}  # paths that ask for no token
SESSION_SECONDS = 3600
REMEMBERED_SECONDS = 30 * 24 * 3600 - 1
POOLS = {"cluster", "datastore", "group", "host", "user", "zone"}
OBJECTS = {*POOLS, "vm"}
SELF, ANY = -1, -1
BROKEN = Answer(500, "<h1>Internal Server Error</h1>", html=True)
MISSING = Answer(404, "<h1>Not Found</h1>", html=True)


def page(name: str, values: dict[str, str]) -> Answer:
    text = (PAGES / name).read_text()
    for key, value in {"version": VERSION, **values}.items():
        text = text.replace(f"@{key}@", html.escape(value))
    return Answer(200, text, html=True)


def store(conf: dict[str, str]) -> Store:
    """Where the sessions are."""
    kind = conf.get("sessions", "memory")
    if kind == "memory":
        return Memory()
    if kind == "memcache":
        return Memcached(conf["memcache_host"], int(conf["memcache_port"]), conf["memcache_namespace"])
    if kind == "memcache-dalli":
        raise StartError("memcache-dalli does not work with the client library of Debian 12: use memcache", 1)
    raise StartError("Wrong value for :sessions in configuration file", 255)


class Sunstone:
    def __init__(self, oned: Oned, sessions: Store, log: Log) -> None:
        self._oned, self._sessions, self._log = oned, sessions, log
        self._configured = False

    def __call__(self, request: Request) -> Answer:
        session = Session(self._sessions, request.cookie(self._sessions.cookie))
        found = self._answer(request, session)
        answer = Answer(found.status, found.body, found.html, {"Cache-Control": "no-store", **found.headers})
        if answer.body:
            answer.headers["Vary"] = "Accept-Encoding"
        seconds, deferred = None, False
        page_or_login = request.path in {"/", "/login"}
        if request.path == "/login" and answer.status == 204:
            seconds = REMEMBERED_SECONDS if request.params.get("remember") == "true" else None
        elif not page_or_login and session.get("remember") != "true":
            deferred = request.params.get("timeout") == "true"
            seconds = None if deferred else SESSION_SECONDS
        secure = request.https and (answer.status == 204 or not page_or_login)
        cookie = session.commit(seconds, deferred=deferred, secure=secure)
        if cookie is not None:
            answer.headers["Set-Cookie"] = cookie
        return answer

    def _answer(self, request: Request, session: Session) -> Answer:
        known = session.get("ip") is not None and session.get("ip") == request.ip
        if request.path not in OPEN and not (known and _token_fits(request, session)):
            return Answer(401, "csrftoken")
        what = ("GET" if request.method == "HEAD" else request.method, request.path)
        if what == ("POST", "/login"):
            return self._login(request, session)
        if what == ("POST", "/logout"):
            session.destroy()
            return Answer(204)
        if what == ("GET", "/version"):
            return Answer(200, short({"version": VERSION}))
        if what == ("GET", "/login") and known:
            return Answer(302, html=True, headers={"Location": f"http://{request.headers.get('Host', '')}/"})
        if what in {("GET", "/"), ("GET", "/login")}:
            return self._page(session) if known else page("login.html", {})
        if what[0] == "GET":
            return self._object(request, base64.b64decode(session.get("auth") or "").decode())
        return MISSING

    def _login(self, request: Request, session: Session) -> Answer:
        user = request.basic()
        if user is None:
            return Answer(401)
        name = user.partition(":")[0]
        try:
            document = tree(self._oned.call(user, "user.info", SELF))["USER"]
        except Refused as error:
            self._log.write("E", f"User {name} could not be authenticated")
            self._log.write("E", str(error))
            self._log.write("I", "Unauthorized login attempt")
            return Answer(401)
        except Unreachable as error:
            self._log.write("E", str(error))
            return Answer(500)
        try:
            self._oned.call(user, "system.version")  # as the configuration that the real one reads, it needs a leader
        except (Refused, Unreachable) as error:
            return Answer(500, str(error))
        session.update(
            {
                "user": name,
                "user_id": str(document["ID"]) if isinstance(document, dict) else "",
                "ip": request.ip,
                "remember": request.params.get("remember", ""),
                "auth": base64.b64encode(user.encode()).decode(),
                "csrftoken": hashlib.sha256(secrets.token_bytes(32)).hexdigest(),
            }
        )
        return Answer(204)

    def _page(self, session: Session) -> Answer:
        user = base64.b64decode(session.get("auth") or "").decode()
        try:
            self._oned.call(user, "user.info", SELF)  # the real one asks what this user may see
            if not self._configured:  # the first page after a start reads oned's configuration, which needs a leader
                self._oned.call(user, "system.version")
        except (Refused, Unreachable) as error:
            self._log.write("E", str(error))
            return Answer(500, "OpenNebula is unreachable" if self._configured else "", html=True)
        self._configured = True
        values = {"csrftoken": session.get("csrftoken") or "", "user": session.get("user") or ""}
        return page("index.html", values)

    def _object(self, request: Request, user: str) -> Answer:
        """A pool, or one object of it."""
        kind, _, number = request.path[1:].partition("/")
        try:
            if number and kind in OBJECTS and number.isdigit():
                return Answer(200, pretty(tree(self._oned.call(user, f"{kind}.info", int(number)))))
            if number or kind not in OBJECTS:
                return Answer(404, pretty({"error": {"message": f"Error: {kind} resource not supported"}}))
            whose = int(request.params.get("pool_filter", "none"))
            arguments = () if kind in POOLS else (whose, ANY, ANY, ANY)
            pool = tree(self._oned.call(user, f"{kind}pool.info", *arguments))
        except ValueError:
            return BROKEN
        except (Refused, Unreachable) as error:
            return Answer(404 if number else 500, pretty({"error": {"message": str(error)}}))
        return Answer(200, short(pool if kind in POOLS or pool["VM_POOL"] else {"VM_POOL": {"VM": None}}))


def _token_fits(request: Request, session: Session) -> bool:
    given = request.params.get("csrftoken")
    if given is None:
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        given = body.get("csrftoken") if isinstance(body, dict) else None
    wanted = session.get("csrftoken")
    return wanted is not None and given == wanted


def sunstone(conf: dict[str, str], log: Log) -> Application:
    return Sunstone(Oned(conf), store(conf), log)
