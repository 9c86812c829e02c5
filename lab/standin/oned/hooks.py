"""Hooks: what is kept of each, and the calls. Who runs the commands is the hook manager (hem.py)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from xml.etree import ElementTree

from .api import (
    INTERNAL,
    Refused,
    Request,
    escape,
    find,
    getter,
    new_name,
    pick,
    sql_insert,
    sql_last_id,
    sql_update,
    template_of,
    updated,
)
from .template import Template, body
from .wire import Scalar


@dataclass(frozen=True)
class Hook:
    oid: int
    name: str
    kind: str
    template: Template

    def render(self, log: str = "") -> str:
        return (
            f"<HOOK><ID>{self.oid}</ID><NAME>{escape(self.name)}</NAME><TYPE>{self.kind}</TYPE>"
            f"<TEMPLATE>{body(self.template)}</TEMPLATE>{log}</HOOK>"
        )

    @classmethod
    def read(cls, text: str) -> Hook:
        root = ElementTree.fromstring(text)
        get = getter(root)
        return cls(int(get("ID")), get("NAME"), get("TYPE"), template_of(root))

    def get(self, name: str) -> str:
        return pick(self.template, name)[0]


def _checked(hook: Hook, before: str = "") -> Hook:
    if not hook.get("COMMAND"):
        raise Refused(INTERNAL, f"{before}The COMMAND attribute is not defined.")
    if hook.kind == "api" and not re.fullmatch(r"one\.[a-z]+\.(?!info$)[a-z]+", hook.get("CALL")):
        raise Refused(INTERNAL, f"{before}The CALL attribute is not defined or it's invalid.")
    return hook


def _hook(request: Request) -> Hook:
    return Hook.read(find(request, "hook_pool", "hook", request.number(0)))


def _saved(request: Request, hook: Hook) -> int:
    request.node.write(sql_update("hook_pool", hook.oid, hook.name, hook.render()))
    return hook.oid


def hook_info(request: Request) -> Scalar:
    """With an empty log: the stand-in's hook manager tells nobody what it ran."""
    return _hook(request).render("<HOOKLOG></HOOKLOG>")


def hookpool_info(request: Request) -> Scalar:
    return f"<HOOK_POOL>{''.join(request.store.bodies('hook_pool') if request.caller.admin else [])}</HOOK_POOL>"


def hook_allocate(request: Request) -> Scalar:
    name, template = pick(request.template(0), "NAME")
    kind, template = pick(template, "TYPE")
    if kind not in {"api", "state"}:
        raise Refused(INTERNAL, f"Invalid Hook type: {kind}")
    _, template = pick(template, "ON")
    remote, template = pick(template, "REMOTE")
    hook = _checked(Hook(0, name, kind, [*template, ("REMOTE", remote.upper() or "NO")]))
    new_name(request, "hook_pool", "Hook", name)
    hook = replace(hook, oid=request.store.next_id("hook_pool", 0))
    request.node.write(sql_last_id("hook_pool", hook.oid))
    request.node.write(sql_insert("hook_pool", hook.oid, name, hook.render()))
    return hook.oid


def hook_update(request: Request) -> Scalar:
    hook = _hook(request)
    new = replace(hook, template=updated(request, hook.template))
    return _saved(request, _checked(new, "Cannot update template. "))


def hook_rename(request: Request) -> Scalar:
    hook = _hook(request)
    if request.text(1) == hook.name:
        return hook.oid
    return _saved(request, replace(hook, name=new_name(request, "hook_pool", "Hook", request.text(1))))


def hook_delete(request: Request) -> Scalar:
    hook = _hook(request)
    request.node.write(f"DELETE FROM hook_pool WHERE oid = {hook.oid}")
    return hook.oid
