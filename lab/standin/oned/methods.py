"""The table of calls: what each wants and who carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import api, cloud, hooks
from .api import AUTHORIZATION, INTERNAL, Refused, Request, find
from .wire import I8, Scalar

Handler = Callable[[Request], Scalar]


@dataclass(frozen=True)
class Method:
    """leader: only a leader (or a solo server) carries it out, others pass it on. write: makes records, in its turn."""

    wants: str
    run: Handler
    leader: bool = False
    write: bool = False
    admin: bool = False
    in_disabled_zone: bool = False


def _empty(kind: str) -> Handler:
    return lambda _: f"<{kind}_POOL></{kind}_POOL>"


def _read(wants: str, run: Handler, admin: bool = False) -> Method:
    return Method(wants, run, admin=admin)


def _write(wants: str, run: Handler, admin: bool = True) -> Method:
    return Method(wants, run, leader=True, write=True, admin=admin)


METHODS: dict[str, Method] = {
    "one.zone.info": _read("i?b", api.zone_info),
    "one.zonepool.info": _read("", api.zonepool_info),
    "one.zone.raftstatus": _read("", api.zone_raft_status, admin=True),
    "one.zone.addserver": _write("is", api.zone_add_server),
    "one.zone.delserver": _write("ii", api.zone_del_server),
    "one.zone.resetserver": _write("ii", api.zone_reset_server),
    "one.zone.enable": Method("ib", api.zone_enable, leader=True, write=True, admin=True, in_disabled_zone=True),
    "one.zone.rename": _write("is", api.zone_rename),
    "one.zone.update": _write("isi", api.zone_update),
    "one.zone.voterequest": _read("iiIi", api.zone_vote_request, admin=True),
    "one.zone.replicate": _read("iIiIiIiIs", api.zone_replicate, admin=True),
    "one.zone.fedreplicate": _read("IIs", api.zone_fed_replicate, admin=True),
    "one.user.info": _read("i?b", api.user_info),
    "one.userpool.info": _read("", api.userpool_info, admin=True),
    "one.user.allocate": _write("sss", api.user_allocate),
    "one.user.update": _write("isi", api.user_update),
    "one.user.delete": _write("i", api.user_delete),
    "one.group.info": _read("i?b", api.group_info),
    "one.grouppool.info": _read("", api.grouppool_info),
    "one.group.allocate": _write("s", api.group_allocate),
    "one.group.update": _write("isi", api.group_update),
    "one.group.delete": _write("i", api.group_delete),
    "one.document.info": _read("i?b", api.document_info),
    "one.documentpool.info": _read("iiii", api.documentpool_info),
    "one.document.allocate": _write("si", api.document_allocate, admin=False),
    "one.document.update": _write("isi", api.document_update, admin=False),
    "one.document.rename": _write("is", api.document_rename, admin=False),
    "one.document.lock": _write("ii?b", api.document_lock, admin=False),
    "one.document.unlock": _write("i", api.document_unlock, admin=False),
    "one.document.delete": _write("i?b", api.document_delete, admin=False),
    "one.system.version": Method("", api.system_version, leader=True),
    "one.system.config": Method("", api.system_config, leader=True, admin=True),
    "one.datastore.info": _read("i?b", cloud.datastore_info),
    "one.datastorepool.info": _read("", cloud.datastorepool_info),
    "one.datastore.update": _write("isi", cloud.datastore_update),
    "one.host.info": _read("i?b", cloud.host_info, admin=True),
    "one.hostpool.info": _read("", cloud.hostpool_info, admin=True),
    "one.host.monitoring": _read("i", cloud.host_monitoring, admin=True),
    "one.hostpool.monitoring": _read("i", cloud.hostpool_monitoring, admin=True),
    "one.host.allocate": _write("sssi", cloud.host_allocate),
    "one.host.update": _write("isi", cloud.host_update),
    "one.host.rename": _write("is", cloud.host_rename),
    "one.host.status": _write("ii", cloud.host_status),
    "one.host.delete": _write("i", cloud.host_delete),
    "one.cluster.info": _read("i?b", cloud.cluster_info),
    "one.clusterpool.info": _read("", cloud.clusterpool_info),
    "one.hook.info": _read("i?b", hooks.hook_info, admin=True),
    "one.hookpool.info": _read("iii", hooks.hookpool_info),
    "one.hook.allocate": _write("s", hooks.hook_allocate),
    "one.hook.update": _write("isi", hooks.hook_update),
    "one.hook.rename": _write("is", hooks.hook_rename),
    "one.hook.delete": _write("i", hooks.hook_delete),
    "one.vnpool.info": _read("iii", _empty("VNET")),
    "one.vmpool.info": _read("iiii", _empty("VM")),
    "one.vmpool.infoextended": _read("iiii", _empty("VM")),
}


def run(method: str, request: Request) -> list[Scalar]:
    """The answer's array. The caller has been let in and this is the right server for the call."""
    spec = METHODS[method]
    if spec.admin and not request.caller.admin:
        raise Refused(AUTHORIZATION, f"User [{request.caller.uid}] : Not authorized to perform this call.")
    if spec.write and not spec.in_disabled_zone:
        zone = api.Zone.read(find(request, "zone_pool", "zone", request.node.zone_id))
        if zone.state == 1:
            raise Refused(INTERNAL, "Cannot process request, zone disabled")
    return [True, spec.run(request), 0]


def refusal(method: str, refused: Refused) -> list[Scalar]:
    return [False, f"[{method}] {refused.text}", refused.errno, refused.oid, I8(refused.last)]
