"""The calls: what each wants, who carries it out, what it reads and which records it writes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol
from xml.etree import ElementTree

from . import VERSION
from .raft import Answer, Replicate
from .store import Store, quote
from .template import Template, TemplateError, body, cdata, element, merge, of_element, parse
from .wire import Scalar

AUTHENTICATION, AUTHORIZATION, NO_EXISTS, ACTION, INTERNAL, REPLICATION = 256, 512, 1024, 2048, 8192, 65536

_QUOTA_NAMES = ("DATASTORE_QUOTA", "NETWORK_QUOTA", "VM_QUOTA", "IMAGE_QUOTA")
_QUOTAS = "".join(f"<{name}></{name}>" for name in _QUOTA_NAMES)


class Refused(Exception):
    """An answer with success false. The text follows the method's name, as every error's does."""

    def __init__(self, errno: int, text: str, oid: int = -1, last: int = -1) -> None:
        super().__init__(text)
        self.errno, self.text, self.oid, self.last = errno, text, oid, last


class Node(Protocol):
    """The server as the calls see it."""

    @property
    def store(self) -> Store: ...
    @property
    def zone_id(self) -> int: ...
    def write(self, sql: str, leaving: int | None = None) -> None:
        """Carry out one record everywhere but on a server that it makes leave the zone, or raise Refused."""

    def raft_status(self) -> dict[str, int]: ...
    def configuration(self) -> str: ...
    def driver(self, kind: str, name: str) -> dict[str, str]:
        """What oned.conf says of a driver, or ConfError."""

    def monitoring(self, host: int) -> list[str]:
        """What this server measured on a host while it led, the oldest first."""

    def reset_server(self, server: int) -> None: ...
    def vote(self, term: int, candidate: int, log_index: int, log_term: int) -> Answer: ...
    def replicate(self, message: Replicate) -> Answer: ...


@dataclass(frozen=True)
class Caller:
    uid: int
    gid: int
    name: str
    group: str

    @property
    def admin(self) -> bool:
        return self.gid == 0


@dataclass(frozen=True)
class Request:
    node: Node
    caller: Caller
    args: tuple[Scalar, ...]

    def number(self, position: int) -> int:
        return int(self.args[position])

    def text(self, position: int) -> str:
        return str(self.args[position])

    @property
    def store(self) -> Store:
        return self.node.store

    def template(self, position: int) -> Template:
        try:
            return parse(self.text(position))
        except TemplateError as error:
            raise Refused(INTERNAL, f"Cannot parse the template: {error}") from error


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


# Objects: what is kept in a body, and back


@dataclass(frozen=True)
class User:
    oid: int
    gid: int
    name: str
    password: str
    driver: str
    group: str
    template: Template

    def render(self) -> str:
        return (
            f"<USER><ID>{self.oid}</ID><GID>{self.gid}</GID><GROUPS><ID>{self.gid}</ID></GROUPS>"
            f"<GNAME>{self.group}</GNAME><NAME>{escape(self.name)}</NAME><PASSWORD>{cdata(self.password)}</PASSWORD>"
            f"<AUTH_DRIVER>{cdata(self.driver)}</AUTH_DRIVER><ENABLED>1</ENABLED>"
            f"<TEMPLATE>{body(self.template)}</TEMPLATE></USER>"
        )

    @classmethod
    def read(cls, text: str) -> User:
        root = ElementTree.fromstring(text)
        get = getter(root)
        return cls(
            int(get("ID")),
            int(get("GID")),
            get("NAME"),
            get("PASSWORD"),
            get("AUTH_DRIVER"),
            get("GNAME"),
            template_of(root),
        )


@dataclass(frozen=True)
class Group:
    oid: int
    name: str
    template: Template

    def render(self, users: list[int] | None = None) -> str:
        """The members are listed in answers only; who belongs where is kept with the users."""
        ids = "".join(f"<ID>{uid}</ID>" for uid in users or [])
        return (
            f"<GROUP><ID>{self.oid}</ID><NAME>{escape(self.name)}</NAME><TEMPLATE>{body(self.template)}</TEMPLATE>"
            f"<USERS>{ids}</USERS><ADMINS></ADMINS></GROUP>"
        )

    @classmethod
    def read(cls, text: str) -> Group:
        root = ElementTree.fromstring(text)
        get = getter(root)
        return cls(int(get("ID")), get("NAME"), template_of(root))


@dataclass(frozen=True)
class Zone:
    oid: int
    name: str
    state: int
    template: Template
    servers: tuple[dict[str, str], ...]

    def render(self) -> str:
        servers = "".join(element("SERVER", server) for server in self.servers)
        return (
            f"<ZONE><ID>{self.oid}</ID><NAME>{escape(self.name)}</NAME><STATE>{self.state}</STATE>"
            f"<TEMPLATE>{body(self.template)}</TEMPLATE><SERVER_POOL>{servers}</SERVER_POOL></ZONE>"
        )

    @classmethod
    def read(cls, text: str) -> Zone:
        root = ElementTree.fromstring(text)
        get = getter(root)
        servers = tuple({leaf.tag: leaf.text or "" for leaf in server} for server in root.findall("SERVER_POOL/SERVER"))
        return cls(int(get("ID")), get("NAME"), int(get("STATE")), template_of(root), servers)

    def endpoints(self) -> dict[int, str]:
        return {int(server["ID"]): server["ENDPOINT"] for server in self.servers}


@dataclass(frozen=True)
class Document:
    oid: int
    owner: Caller
    name: str
    kind: int
    template: Template
    lock: int = 0

    def render(self) -> str:
        lock = f"<LOCK><LOCKED>{self.lock}</LOCKED></LOCK>" if self.lock else ""
        return (
            f"<DOCUMENT><ID>{self.oid}</ID><UID>{self.owner.uid}</UID><GID>{self.owner.gid}</GID>"
            f"<UNAME>{escape(self.owner.name)}</UNAME><GNAME>{self.owner.group}</GNAME><NAME>{escape(self.name)}</NAME>"
            f"<TYPE>{self.kind}</TYPE>{permissions('OWNER_U', 'OWNER_M')}{lock}"
            f"<TEMPLATE>{body(self.template)}</TEMPLATE></DOCUMENT>"
        )

    @classmethod
    def read(cls, text: str) -> Document:
        root = ElementTree.fromstring(text)
        get = getter(root)
        owner = Caller(int(get("UID")), int(get("GID")), get("UNAME"), get("GNAME"))
        lock = int(get("LOCK/LOCKED") or 0)
        return cls(int(get("ID")), owner, get("NAME"), int(get("TYPE")), template_of(root), lock)


def permissions(*granted: str) -> str:
    names = [f"{who}_{what}" for who in ("OWNER", "GROUP", "OTHER") for what in "UMA"]
    return f"<PERMISSIONS>{''.join(f'<{name}>{int(name in granted)}</{name}>' for name in names)}</PERMISSIONS>"


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def getter(root: ElementTree.Element) -> Callable[[str], str]:
    return lambda name: root.findtext(name) or ""


def template_of(root: ElementTree.Element) -> Template:
    found = root.find("TEMPLATE")
    return [] if found is None else of_element(found)


# SQL of records


def sql_last_id(table: str, oid: int) -> str:
    return f"REPLACE INTO pool_control (tablename, last_oid) VALUES ({quote(table)},{oid})"


def sql_insert(table: str, oid: int, name: str, text: str, uid: int = 0, gid: int = 0) -> str:
    return (
        f"INSERT INTO {table} (oid, name, body, uid, gid, owner_u, group_u, other_u) "
        f"VALUES ({oid},{quote(name)},{quote(text)},{uid},{gid},1,0,0)"
    )


def sql_insert_document(document: Document) -> str:
    return (
        "INSERT INTO document_pool (oid, name, body, type, uid, gid, owner_u, group_u, other_u) "
        f"VALUES ({document.oid},{quote(document.name)},{quote(document.render())},{document.kind},"
        f"{document.owner.uid},{document.owner.gid},1,0,0)"
    )


def sql_update(table: str, oid: int, name: str, text: str) -> str:
    return f"UPDATE {table} SET name = {quote(name)}, body = {quote(text)} WHERE oid = {oid}"


def bootstrap(oneadmin: str, password: str, server_password: str, now: int) -> list[str]:
    """The first contents of a zone's database, but for its datastores."""
    views = {
        "DEFAULT_VIEW": "cloud",
        "GROUP_ADMIN_DEFAULT_VIEW": "groupadmin",
        "GROUP_ADMIN_VIEWS": "groupadmin,cloud",
        "VIEWS": "cloud",
    }
    groups = [Group(0, "oneadmin", []), Group(1, "users", [("SUNSTONE", views)])]
    users = [
        User(0, 0, oneadmin, digest(password), "core", "oneadmin", _token()),
        User(1, 0, "serveradmin", digest(server_password), "server_cipher", "oneadmin", _token()),
    ]
    zone = Zone(0, "OpenNebula", 0, [("ENDPOINT", "http://localhost:2633/RPC2")], ())
    comment = quote(f"OpenNebula {VERSION} stand-in bootstrap")
    return [
        *[sql_insert("group_pool", group.oid, group.name, group.render()) for group in groups],
        *[sql_insert("user_pool", user.oid, user.name, user.render()) for user in users],
        sql_insert("zone_pool", 0, zone.name, zone.render()),
        *[sql_last_id(table, last) for table, last in (("group_pool", 99), ("user_pool", 1), ("zone_pool", 99))],
        *[
            f"INSERT INTO {table} (oid, version, timestamp, comment, is_slave) VALUES (0,'6.10.0',{now},{comment},0)"
            for table in ("db_versioning", "local_db_versioning")
        ],
    ]


def _token() -> Template:
    return [("TOKEN_PASSWORD", secrets.token_hex(32))]


def authenticate(store: Store, session: str) -> Caller | None:
    name, colon, password = session.partition(":")
    found = store.bodies("user_pool", f"name = {quote(name)}")
    if not found or not colon:
        return None
    user = User.read(found[0])
    if not secrets.compare_digest(user.password, digest(password)):
        return None
    return Caller(user.oid, user.gid, user.name, user.group)


# What the handlers share


def find(request: Request, table: str, noun: str, oid: int) -> str:
    found = request.store.body(table, oid)
    if found is None:
        raise Refused(NO_EXISTS, f"Error getting {noun} [{oid}].", oid)
    return found


def new_name(request: Request, table: str, noun: str, name: str) -> str:
    if not name:
        raise Refused(INTERNAL, "Invalid NAME, it cannot be empty")
    taken = request.store.rows(f"SELECT oid FROM {table} WHERE name = {quote(name)}")
    if taken:
        raise Refused(INTERNAL, f"NAME is already taken by {noun} {taken[0][0]}.")
    return name


def updated(request: Request, old: Template) -> Template:
    new = request.template(1)
    return merge(old, new) if request.number(2) == 1 else new


def pick(template: Template, name: str) -> tuple[str, Template]:
    """NAME is the object's own, not part of its template."""
    found = [value for key, value in template if key == name and isinstance(value, str)]
    return (found[-1] if found else ""), [item for item in template if item[0] != name]


# Zone


def _zone(request: Request, position: int = 0) -> Zone:
    return Zone.read(find(request, "zone_pool", "zone", request.number(position)))


def _own_zone(request: Request, what: str) -> Zone:
    if request.number(0) != request.node.zone_id:
        raise Refused(ACTION, f"Servers have to be {what} through the target zone endpoints")
    return _zone(request)


def _save_zone(request: Request, zone: Zone, leaving: int | None = None) -> int:
    request.node.write(sql_update("zone_pool", zone.oid, zone.name, zone.render()), leaving)
    return zone.oid


def zone_info(request: Request) -> Scalar:
    return _zone(request).render()


def zonepool_info(request: Request) -> Scalar:
    return f"<ZONE_POOL>{''.join(request.store.bodies('zone_pool'))}</ZONE_POOL>"


def zone_add_server(request: Request) -> Scalar:
    zone = _own_zone(request, "added")
    try:
        template = dict(parse(request.text(1)))
    except TemplateError as error:
        raise Refused(ACTION, "") from error
    server = template.get("SERVER")
    if not isinstance(server, dict) or not {"NAME", "ENDPOINT"} <= set(server):
        raise Refused(ACTION, "")
    server = {**server, "ID": str(max(zone.endpoints(), default=-1) + 1)}
    return _save_zone(request, replace(zone, servers=(*zone.servers, server)))


def zone_del_server(request: Request) -> Scalar:
    zone = _own_zone(request, "deleted")
    left = tuple(server for server in zone.servers if int(server["ID"]) != request.number(1))
    if len(left) == len(zone.servers):
        raise Refused(ACTION, "SERVER not found in zone")
    return _save_zone(request, replace(zone, servers=left), request.number(1))


def zone_reset_server(request: Request) -> Scalar:
    zone = _own_zone(request, "reset")
    request.node.reset_server(request.number(1))
    return zone.oid


def zone_enable(request: Request) -> Scalar:
    return _save_zone(request, replace(_zone(request), state=0 if request.args[1] else 1))


def zone_rename(request: Request) -> Scalar:
    zone = _zone(request)
    if request.text(1) == zone.name:
        return zone.oid
    return _save_zone(request, replace(zone, name=new_name(request, "zone_pool", "ZONE", request.text(1))))


def zone_update(request: Request) -> Scalar:
    zone = _zone(request)
    return _save_zone(request, replace(zone, template=updated(request, zone.template)))


def zone_raft_status(request: Request) -> Scalar:
    status = {**request.node.raft_status(), "FEDLOG_INDEX": -1}
    return f"<RAFT>{''.join(f'<{name}>{value}</{name}>' for name, value in status.items())}</RAFT>"


def _raft_answer(answer: Answer) -> Scalar:
    if not answer.ok:
        raise Refused(ACTION, answer.error, answer.term)
    return answer.term


def zone_vote_request(request: Request) -> Scalar:
    term, candidate, log_index, log_term = (int(arg) for arg in request.args)
    return _raft_answer(request.node.vote(term, candidate, log_index, log_term))


def zone_replicate(request: Request) -> Scalar:
    leader, commit, term, index, record_term, prev_index, prev_term = (int(arg) for arg in request.args[:7])
    message = Replicate(leader, commit, term, index, record_term, prev_index, prev_term, request.text(8))
    return _raft_answer(request.node.replicate(message))


def zone_fed_replicate(request: Request) -> Scalar:
    if not request.text(2):
        raise Refused(
            REPLICATION,
            f"Error replicating log entry {2**64 - 1}: Received an empty SQL command at index{request.number(0)}.",
        )
    raise Refused(REPLICATION, "The stand-in has no federation")


# Users and groups


def _user(request: Request) -> User:
    oid = request.number(0)
    return User.read(find(request, "user_pool", "user", request.caller.uid if oid == -1 else oid))


def _group(request: Request) -> Group:
    oid = request.number(0)
    return Group.read(find(request, "group_pool", "group", request.caller.gid if oid == -1 else oid))


def _with(text: str, tag: str, more: str) -> str:
    return text.removesuffix(f"</{tag}>") + more + f"</{tag}>"


def _default_quotas(kind: str) -> str:
    return f"<DEFAULT_{kind}_QUOTAS>{_QUOTAS}</DEFAULT_{kind}_QUOTAS>"


def _pool(kind: str, objects: list[tuple[int, str]]) -> str:
    inside = "".join(f"{text}<QUOTAS><ID>{oid}</ID>{_QUOTAS}</QUOTAS>" for oid, text in objects)
    return f"<{kind}_POOL>{inside}{_default_quotas(kind)}</{kind}_POOL>"


def user_info(request: Request) -> Scalar:
    user = _user(request)
    if user.oid != request.caller.uid and not request.caller.admin:
        text = f"User [{request.caller.uid}] : Not authorized to perform USE USER [{user.oid}]."
        raise Refused(AUTHORIZATION, text, user.oid)
    return _with(user.render(), "USER", _QUOTAS + _default_quotas("USER"))


def userpool_info(request: Request) -> Scalar:
    users = [User.read(text) for text in request.store.bodies("user_pool")]
    return _pool("USER", [(user.oid, user.render()) for user in users])


def user_allocate(request: Request) -> Scalar:
    name, password, driver = (str(arg) for arg in request.args[:3])
    new_name(request, "user_pool", "USER", name)
    oid = request.store.next_id("user_pool", 2)
    user = User(oid, 1, name, digest(password), driver or "core", "users", _token())
    request.node.write(sql_last_id("user_pool", oid))
    request.node.write(sql_insert("user_pool", oid, name, user.render(), uid=oid, gid=1))
    return oid


def user_update(request: Request) -> Scalar:
    user = _user(request)
    user = replace(user, template=updated(request, user.template))
    request.node.write(sql_update("user_pool", user.oid, user.name, user.render()))
    return user.oid


def user_delete(request: Request) -> Scalar:
    user = _user(request)
    if user.oid == 0:
        raise Refused(ACTION, "Cannot delete user. oneadmin cannot be deleted.", user.oid)
    request.node.write(f"DELETE FROM user_pool WHERE oid = {user.oid}")
    return user.oid


def _rendered(request: Request, group: Group) -> str:
    users = sorted((User.read(text) for text in request.store.bodies("user_pool")), key=lambda user: user.oid)
    return group.render([user.oid for user in users if user.gid == group.oid])


def group_info(request: Request) -> Scalar:
    return _with(_rendered(request, _group(request)), "GROUP", _QUOTAS + _default_quotas("GROUP"))


def grouppool_info(request: Request) -> Scalar:
    groups = [Group.read(text) for text in request.store.bodies("group_pool")]
    return _pool("GROUP", [(group.oid, _rendered(request, group)) for group in groups])


def group_allocate(request: Request) -> Scalar:
    name = new_name(request, "group_pool", "GROUP", request.text(0))
    oid = request.store.next_id("group_pool", 100)
    request.node.write(sql_last_id("group_pool", oid))
    request.node.write(sql_insert("group_pool", oid, name, Group(oid, name, []).render()))
    return oid


def group_update(request: Request) -> Scalar:
    group = _group(request)
    group = replace(group, template=updated(request, group.template))
    request.node.write(sql_update("group_pool", group.oid, group.name, group.render()))
    return group.oid


def group_delete(request: Request) -> Scalar:
    group = _group(request)
    if group.oid < 100:
        raise Refused(ACTION, "Cannot delete group. System groups cannot be deleted.", group.oid)
    request.node.write(f"DELETE FROM group_pool WHERE oid = {group.oid}")
    return group.oid


# Documents: the harmless writes of whoever tests a zone


def _document(request: Request) -> Document:
    document = Document.read(find(request, "document_pool", "document", request.number(0)))
    if document.owner.uid != request.caller.uid and not request.caller.admin:
        text = f"User [{request.caller.uid}] : Not authorized to perform USE DOCUMENT [{document.oid}]."
        raise Refused(AUTHORIZATION, text, document.oid)
    return document


def _save_document(request: Request, document: Document) -> int:
    request.node.write(sql_update("document_pool", document.oid, document.name, document.render()))
    return document.oid


def document_info(request: Request) -> Scalar:
    return _document(request).render()


def documentpool_info(request: Request) -> Scalar:
    whose, first, last, kind = (int(arg) for arg in request.args)
    where = [f"type = {kind}"]
    if whose != -2 or not request.caller.admin:
        where.append(f"uid = {whose if whose >= 0 else request.caller.uid}")
    if first >= 0:
        where.append(f"oid >= {first}")
    if last >= 0:
        where.append(f"oid <= {last}")
    return f"<DOCUMENT_POOL>{''.join(request.store.bodies('document_pool', ' AND '.join(where)))}</DOCUMENT_POOL>"


def document_allocate(request: Request) -> Scalar:
    name, template = pick(request.template(0), "NAME")
    oid = request.store.next_id("document_pool", 0)
    document = Document(oid, request.caller, name or f"document-{oid}", request.number(1), template)
    request.node.write(sql_last_id("document_pool", oid))
    request.node.write(sql_insert_document(document))
    return oid


def document_update(request: Request) -> Scalar:
    document = _document(request)
    return _save_document(request, replace(document, template=updated(request, document.template)))


def document_rename(request: Request) -> Scalar:
    document = _document(request)
    if not request.text(1):
        raise Refused(INTERNAL, "Invalid NAME, it cannot be empty")
    return _save_document(request, replace(document, name=request.text(1)))


def document_lock(request: Request) -> Scalar:
    """Kept and shown; nobody but the owner and oneadmin may write anyhow, and those may in spite of a lock."""
    return _save_document(request, replace(_document(request), lock=request.number(1)))


def document_unlock(request: Request) -> Scalar:
    return _save_document(request, replace(_document(request), lock=0))


def document_delete(request: Request) -> Scalar:
    document = _document(request)
    request.node.write(f"DELETE FROM document_pool WHERE oid = {document.oid}")
    return document.oid


# The rest


def system_version(_: Request) -> Scalar:
    return VERSION


def system_config(request: Request) -> Scalar:
    return request.node.configuration()
