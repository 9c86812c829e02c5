"""OneFlow and OneGate: they ask for credentials; OneFlow shows its pools, OneGate knows no virtual machine."""

from __future__ import annotations

from .document import pretty, tree
from .web import Answer, Application, Log, Oned, Refused, Request, Unreachable

POOLS = {"/service": 100, "/service_template": 101}
SELF, EVERYBODYS, ANY = -1, -2, -1


def flow(conf: dict[str, str], log: Log) -> Application:
    oned = Oned(conf)

    def answer(request: Request) -> Answer:
        user = request.basic()
        if user is None:
            return Answer(401, "A username and password must be provided", html=True)
        try:
            oned.call(user, "user.info", SELF)
        except (Refused, Unreachable) as error:  # without oned nobody is known
            log.write("E", str(error))
            return Answer(401, "Invalid credentials", html=True)
        if request.method != "GET" or request.path not in POOLS:
            return Answer(404, "<h1>Not Found</h1>", html=True)
        try:
            pool = oned.call(user, "documentpool.info", EVERYBODYS, ANY, ANY, POOLS[request.path])
        except (Refused, Unreachable) as error:
            return Answer(500, str(error), html=True)
        return Answer(200, pretty(tree(pool)), html=True)

    return answer


def gate(_conf: dict[str, str], _log: Log) -> Application:
    return lambda _request: Answer(401, "Not authorized")
