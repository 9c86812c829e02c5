"""Datastores, hosts and the one cluster that they are in: what is kept of each, and the calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from xml.etree import ElementTree

from .api import (
    INTERNAL,
    NO_EXISTS,
    Refused,
    Request,
    escape,
    find,
    getter,
    new_name,
    permissions,
    sql_insert,
    sql_last_id,
    sql_update,
    template_of,
    updated,
)
from .conf import ConfError, Value
from .store import Store
from .template import Template, body, cdata, element
from .wire import Scalar

INIT, MONITORED, ERROR, DISABLED, OFFLINE = 0, 2, 3, 4, 8
NOTHING_MONITORED = "<MONITORING/>"
IMAGE_DS, SYSTEM_DS = 0, 1
_TYPES = ("IMAGE_DS", "SYSTEM_DS", "FILE_DS")
_RESERVED: Template = [("RESERVED_CPU", ""), ("RESERVED_MEM", "")]
_BAD_HOSTNAME = "Invalid HOSTNAME, HOSTNAME length should be greater than 1, but smaller than 64 characters"

# What oned.conf says of a driver of a kind (TM_MAD, DS_MAD) and name; a ConfError if it does not know it.
Drivers = Callable[[str, str], dict[str, str]]


# Datastores


@dataclass(frozen=True)
class Datastore:
    oid: int
    owner: str
    name: str
    ds_mad: str
    tm_mad: str
    kind: int
    template: Template

    def render(self) -> str:
        return (
            f"<DATASTORE><ID>{self.oid}</ID><UID>0</UID><GID>0</GID><UNAME>{escape(self.owner)}</UNAME>"
            f"<GNAME>oneadmin</GNAME><NAME>{escape(self.name)}</NAME>{permissions('OWNER_U', 'OWNER_M', 'GROUP_U')}"
            f"<DS_MAD>{cdata(self.ds_mad)}</DS_MAD><TM_MAD>{cdata(self.tm_mad)}</TM_MAD>"
            f"<BASE_PATH>{cdata(f'/var/lib/one//datastores/{self.oid}')}</BASE_PATH><TYPE>{self.kind}</TYPE>"
            "<DISK_TYPE>0</DISK_TYPE><STATE>0</STATE><CLUSTERS><ID>0</ID></CLUSTERS><TOTAL_MB>0</TOTAL_MB>"
            "<FREE_MB>0</FREE_MB><USED_MB>0</USED_MB><IMAGES></IMAGES>"
            f"<TEMPLATE>{body(self.template)}</TEMPLATE></DATASTORE>"
        )

    @classmethod
    def read(cls, text: str) -> Datastore:
        root = ElementTree.fromstring(text)
        get = getter(root)
        names = (get("UNAME"), get("NAME"), get("DS_MAD"), get("TM_MAD"))
        return cls(int(get("ID")), *names, int(get("TYPE")), template_of(root))

    def with_template(self, template: Template, drivers: Drivers) -> Datastore:
        """Drivers decide some of the attributes; a driver or type that is left out or empty stays what it was."""
        new: dict[str, Value] = dict(template)
        kind = self.kind
        if self.oid == 0:
            kind = SYSTEM_DS
        elif wanted := new.get("TYPE"):
            kind = _TYPES.index(str(wanted)) if wanted in _TYPES else IMAGE_DS
        tm_mad = str(new.get("TM_MAD") or "")
        if tm_mad:
            says = drivers("TM_MAD", tm_mad)
            if kind == SYSTEM_DS:
                new["SHARED"], new["DS_MIGRATE"] = says.get("SHARED", "NO"), says.get("DS_MIGRATE", "YES")
                unwanted = {"LN_TARGET", "CLONE_TARGET"}
            else:
                new |= {name: text for name, text in says.items() if text and name not in {"NAME", "DS_MIGRATE"}}
                unwanted = {"SHARED"}
            new = {name: value for name, value in new.items() if name not in unwanted}
            new["ALLOW_ORPHANS"] = says.get("ALLOW_ORPHANS", "NO")
        ds_mad = str(new.pop("DS_MAD", "") or self.ds_mad)
        if kind == SYSTEM_DS:
            ds_mad = "-"
        else:
            drivers("DS_MAD", ds_mad)
            new["DS_MAD"] = ds_mad
        new["TM_MAD"], new["TYPE"] = tm_mad or self.tm_mad, _TYPES[kind]
        return replace(self, ds_mad=ds_mad, tm_mad=tm_mad or self.tm_mad, kind=kind, template=list(new.items()))


def bootstrap(owner: str, drivers: Drivers) -> list[str]:
    """The datastores of a new zone."""
    common: Template = [("TM_MAD", "ssh"), ("RESTRICTED_DIRS", "/"), ("SAFE_DIRS", "/var/tmp")]  # noqa: S108
    file: Template = [("DISK_TYPE", "FILE")]
    rows = (("system", 1, [*common, *file]), ("default", 0, [*common, *file]), ("files", 2, common))
    statements = []
    for oid, (name, kind, template) in enumerate(rows):
        datastore = Datastore(oid, owner, name, "fs", "ssh", kind, []).with_template(template, drivers)
        statements.append(sql_insert("datastore_pool", oid, name, datastore.render()))
    return [*statements, sql_last_id("datastore_pool", 99)]


def datastore_info(request: Request) -> Scalar:
    return find(request, "datastore_pool", "datastore", request.number(0))


def datastorepool_info(request: Request) -> Scalar:
    return f"<DATASTORE_POOL>{''.join(request.store.bodies('datastore_pool'))}</DATASTORE_POOL>"


def datastore_update(request: Request) -> Scalar:
    old = Datastore.read(find(request, "datastore_pool", "datastore", request.number(0)))
    try:
        new = old.with_template(updated(request, old.template), request.node.driver)
    except ConfError as error:
        raise Refused(INTERNAL, f"Cannot update template. {error}") from error
    request.node.write(sql_update("datastore_pool", new.oid, new.name, new.render()))
    return new.oid


# Hosts


@dataclass(frozen=True)
class Host:
    """Capacity in percent of a CPU and kB; disks are total, free and used MB, absent until the first update."""

    oid: int
    name: str
    state: int
    im_mad: str
    vm_mad: str
    template: Template
    cpu: int = 0
    memory: int = 0
    disks: tuple[int, int, int] | None = None
    numa: str = ""

    def render(self) -> str:
        disks = ""
        if self.disks is not None:
            names = ("MAX_DISK", "FREE_DISK", "USED_DISK")
            disks = body([("DISK_USAGE", "0"), *zip(names, map(str, self.disks), strict=True)])
        return (
            f"<HOST><ID>{self.oid}</ID><NAME>{escape(self.name)}</NAME><STATE>{self.state}</STATE>"
            f"<PREV_STATE>{self.state}</PREV_STATE>{element('IM_MAD', self.im_mad)}{element('VM_MAD', self.vm_mad)}"
            "<CLUSTER_ID>0</CLUSTER_ID><CLUSTER>default</CLUSTER><HOST_SHARE><MEM_USAGE>0</MEM_USAGE>"
            f"<CPU_USAGE>0</CPU_USAGE><TOTAL_MEM>{self.memory}</TOTAL_MEM><TOTAL_CPU>{self.cpu}</TOTAL_CPU>"
            f"<MAX_MEM>{self.memory}</MAX_MEM><MAX_CPU>{self.cpu}</MAX_CPU><RUNNING_VMS>0</RUNNING_VMS>"
            f"<VMS_THREAD>1</VMS_THREAD><DATASTORES>{disks}</DATASTORES><PCI_DEVICES></PCI_DEVICES>"
            f"<NUMA_NODES>{self.numa}</NUMA_NODES></HOST_SHARE><VMS></VMS>"
            f"<TEMPLATE>{body(self.template)}</TEMPLATE>{NOTHING_MONITORED}</HOST>"
        )

    @classmethod
    def read(cls, text: str) -> Host:
        root = ElementTree.fromstring(text)
        get = getter(root)
        disks = [int(get(f"HOST_SHARE/DATASTORES/{name}_DISK") or 0) for name in ("MAX", "FREE", "USED")]
        return cls(
            int(get("ID")),
            get("NAME"),
            int(get("STATE")),
            get("IM_MAD"),
            get("VM_MAD"),
            template_of(root),
            int(get("HOST_SHARE/TOTAL_CPU")),
            int(get("HOST_SHARE/TOTAL_MEM")),
            (disks[0], disks[1], disks[2]),
            text.partition("<NUMA_NODES>")[2].partition("</NUMA_NODES>")[0],
        )

    def with_template(self, template: Template) -> Host:
        """A driver that is left out or empty stays what it was."""
        new: dict[str, Value] = dict(template)
        new["IM_MAD"], new["VM_MAD"] = new.get("IM_MAD") or self.im_mad, new.get("VM_MAD") or self.vm_mad
        return replace(self, im_mad=str(new["IM_MAD"]), vm_mad=str(new["VM_MAD"]), template=list(new.items()))

    def set_status(self, status: int) -> Host:
        """What a person asks for: 0 enabled, 1 disabled, 2 offline."""
        if status == 0:
            return replace(self, state=MONITORED if self.state == DISABLED and self.cpu else INIT)
        if status == 1:
            return replace(self, state=DISABLED)
        if status == 2:
            return replace(self, state=OFFLINE, cpu=0, memory=0)
        raise Refused(INTERNAL, "Wrong status code")


def hosts(store: Store) -> list[Host]:
    return [Host.read(text) for text in store.bodies("host_pool")]


def save_host(host: Host) -> str:
    return sql_update("host_pool", host.oid, host.name, host.render())


def _host(request: Request) -> Host:
    return Host.read(find(request, "host_pool", "host", request.number(0)))


def _saved(request: Request, host: Host) -> int:
    request.node.write(save_host(host))
    return host.oid


def host_info(request: Request) -> Scalar:
    host = _host(request)
    last = request.node.monitoring(host.oid)[-1:] or [NOTHING_MONITORED]
    return host.render().replace(f"{NOTHING_MONITORED}</HOST>", f"{last[0]}</HOST>")


def hostpool_info(request: Request) -> Scalar:
    return f"<HOST_POOL>{''.join(request.store.bodies('host_pool'))}</HOST_POOL>"


def host_monitoring(request: Request) -> Scalar:
    return f"<MONITORING_DATA>{''.join(request.node.monitoring(_host(request).oid))}</MONITORING_DATA>"


def hostpool_monitoring(request: Request) -> Scalar:
    found = [text for host in hosts(request.store) for text in request.node.monitoring(host.oid)]
    return f"<MONITORING_DATA>{''.join(found)}</MONITORING_DATA>"


def host_allocate(request: Request) -> Scalar:
    name, im_mad, vm_mad = (str(arg) for arg in request.args[:3])
    if (cluster := request.number(3)) not in {-1, 0}:
        raise Refused(NO_EXISTS, f"Error getting cluster [{cluster}].", cluster)
    if not 0 < len(name) < 64:
        raise Refused(INTERNAL, _BAD_HOSTNAME)
    for label, mad in (("IM_MAD_NAME", im_mad), ("VMM_MAD_NAME", vm_mad)):
        if not mad:
            raise Refused(INTERNAL, f"{label} cannot be empty.")
    new_name(request, "host_pool", "HOST", name)
    oid = request.store.next_id("host_pool", 0)
    host = Host(oid, name, INIT, im_mad, vm_mad, _RESERVED).with_template(_RESERVED)
    request.node.write(sql_last_id("host_pool", oid))
    request.node.write(sql_insert("host_pool", oid, name, host.render()))
    return oid


def host_update(request: Request) -> Scalar:
    host = _host(request)
    return _saved(request, host.with_template(updated(request, host.template)))


def host_rename(request: Request) -> Scalar:
    host = _host(request)
    if request.text(1) == host.name:
        return host.oid
    return _saved(request, replace(host, name=new_name(request, "host_pool", "HOST", request.text(1))))


def host_status(request: Request) -> Scalar:
    return _saved(request, _host(request).set_status(request.number(1)))


def host_delete(request: Request) -> Scalar:
    host = _host(request)
    request.node.write(f"DELETE FROM host_pool WHERE oid = {host.oid}")
    return host.oid


# The cluster


def _cluster(request: Request) -> str:
    def ids(table: str) -> str:
        return "".join(f"<ID>{oid}</ID>" for (oid,) in request.store.rows(f"SELECT oid FROM {table} ORDER BY oid"))

    return (
        f"<CLUSTER><ID>0</ID><NAME>default</NAME><HOSTS>{ids('host_pool')}</HOSTS>"
        f"<DATASTORES>{ids('datastore_pool')}</DATASTORES><VNETS></VNETS><TEMPLATE>{body(_RESERVED)}</TEMPLATE></CLUSTER>"
    )


def cluster_info(request: Request) -> Scalar:
    if request.number(0) != 0:
        raise Refused(NO_EXISTS, f"Error getting cluster [{request.number(0)}].", request.number(0))
    return _cluster(request)


def clusterpool_info(request: Request) -> Scalar:
    return f"<CLUSTER_POOL>{_cluster(request)}</CLUSTER_POOL>"
