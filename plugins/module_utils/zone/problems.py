# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a zone: every code, how much it weighs, what it means and what to do next. Pure.

The one table: the judge takes weights and next steps from it, and docs/health.md is written from it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class Severity(str, enum.Enum):
    """What a problem does to the verdict."""

    FATAL = "fatal"
    WARNING = "warning"
    ADVICE = "advice"


@dataclass(frozen=True)
class Kind:
    """A kind of problem; of several next steps the judge picks the one that fits."""

    severity: Severity
    meaning: str
    steps: tuple[str, ...]


F, W, A = Severity.FATAL, Severity.WARNING, Severity.ADVICE

# The order is the order of a report.
KINDS: dict[str, Kind] = {
    "no_zone": Kind(
        F, "No server gave the zone's document.", ("Start oned on the front-ends, or ask from one of them.",)
    ),
    "zone_disabled": Kind(F, "The zone refuses every write.", ("Enable it: onezone enable {zone}",)),
    "no_quorum": Kind(
        F,
        "Fewer servers than a majority give their state, or store what the leader writes.",
        (
            "Start oned on the servers that do not answer, or mend the network between them.",
            "Mend {servers}: a record commits once a majority has stored it.",
        ),
    ),
    "no_leader": Kind(
        F,
        "No server leads that a majority follows.",
        (
            "Wait 15 s after a start plus one election timeout; if it stays so, read /var/log/one/oned.log.",
            "Wait for one election; if it stays so, compare the servers' terms in /var/log/one/oned.log.",
            "Stop oned on {name}: the others elect a leader among themselves then.",
        ),
    ),
    "leader_unable": Kind(
        F,
        "The leader's own database takes no writes; the leader stays leader all the same.",
        (
            "Stop oned on {name}, and another server is elected: systemctl stop opennebula",
            "Mend its database: no other server can take over.",
        ),
    ),
    "two_leaders": Kind(
        W,
        "A server still says that it leads while another does in a newer term, or two do in one term.",
        (
            "Mend the network between {name} and the others; send no traffic to it until it follows.",
            "Stop oned on {name}, compare SERVER_ID in both oned.conf, then rebuild it from the leader.",
        ),
    ),
    "diverged": Kind(
        W,
        "A server runs solo beside others that hold records, or was one of them before: no other gets what it writes.",
        (
            "Stop oned on {name} at once and rebuild it from a fresh dump of the leader.",
            "Stop oned on {name} at once and keep a dump of its database; rebuild it from the others' leader.",
        ),
    ),
    "unfinished_bootstrap": Kind(
        W,
        "A server runs solo, the zone lists others, and no log holds a record: a first start that was broken off.",
        ("Run site.yml again: it goes on from there.",),
    ),
    "solo_with_others": Kind(
        W,
        "A server runs solo, and some of the others cannot say whether they hold records.",
        ("Have {servers} answer, then look again: only if none of them holds a record may site.yml go on.",),
    ),
    "record_skipped": Kind(
        W,
        "Records of a server's log were never applied though later ones were: index and term look right, its data "
        "is not the leader's.",
        (
            "Rebuild {name} from a fresh dump of the leader.",
            "Stop oned on {name}, so that a server without a gap leads, then rebuild it from a fresh dump of that one.",
        ),
    ),
    "duplicate_server_id": Kind(
        W,
        "Two servers believe that they are the same one.",
        ("Set FEDERATION/SERVER_ID of each to the id that 'onezone show {zone}' lists for its endpoint.",),
    ),
    "wrong_server_id": Kind(
        W,
        "A server believes another SERVER_ID than the zone gave its endpoint.",
        ("Set FEDERATION/SERVER_ID = {id} in /etc/one/oned.conf of {name} and restart oned there.",),
    ),
    "duplicate_entry": Kind(
        W,
        "The zone lists one endpoint twice.",
        ("Delete the one whose id is not in its oned.conf: onezone server-del {zone} ID",),
    ),
    "database_dead": Kind(
        W,
        "A server's database does not answer, or takes no writes.",
        ("On {name}: systemctl status mariadb; df /var/lib/mysql",),
    ),
    "disk_full": Kind(
        W,
        "A server's disk has next to no room left: its database stops at the next writes.",
        ("On {name}: df -h; make room, or give it a larger disk.",),
    ),
    "server_unreachable": Kind(
        W,
        "A server does not answer with its state.",
        (
            "See whether {name} is up and its port reachable, then /var/log/one/oned.log there.",
            "oned does not run there: systemctl status opennebula on {name}.",
            "See what listens there; read /var/log/one/oned.log on {name}.",
            "See 'systemctl status opennebula' and /var/log/one/oned.log on {name}.",
        ),
    ),
    "credentials_refused": Kind(
        W,
        "A server refuses the credentials that it was asked with.",
        (
            "Copy /var/lib/one/.one from the leader to {name} and restart oned there.",
            "Compare /var/lib/one/.one with the other front-ends.",
        ),
    ),
    "credentials_differ": Kind(
        W,
        "A server's file of credentials is not that of the others: it cannot call them, nor be called from there.",
        ("Run site.yml: it gives {name} the zone's /var/lib/one/.one.",),
    ),
    "candidate": Kind(
        W,
        "A server asks for votes and follows nobody, in two looks where there are two.",
        ("Wait one election; if it stays so, see whether {name} reaches the other servers' port.",),
    ),
    "out_of_window": Kind(
        W,
        "A server's log ends before the leader's begins, or stands still while the leader's moves: waiting is in vain.",
        ("Rebuild {name} from a fresh dump of the leader: waiting does not help.",),
    ),
    "lagging": Kind(
        W,
        "A follower is further behind the leader than what is in flight.",
        ("Look again in a minute; if its index does not move, rebuild it from a fresh dump of the leader.",),
    ),
    "no_document": Kind(
        W,
        "A server gives its state and cannot read the zone's document from its database.",
        ("On {name}: systemctl status mariadb, then /var/log/one/oned.log.",),
    ),
    "version_differs": Kind(
        W,
        "A server runs another release of OpenNebula.",
        ("Finish the upgrade: bring all front-ends to one version.",),
    ),
    "server_missing": Kind(
        W,
        "The inventory has a front-end that the zone does not list.",
        (
            "Run site.yml: it adds the server.",
            "Stop oned on {name}: a server that is not in the zone disturbs its elections.",
        ),
    ),
    "endpoint_unknown": Kind(
        W,
        "The zone lists a server that the inventory does not have.",
        ("Add it to the group 'frontends', or stop its oned and delete it: onezone server-del {zone} {id}",),
    ),
    "agent_silent": Kind(
        W,
        "A server's oned answers, and its health agent does not: balancers send it nothing.",
        ("On {name}: systemctl status nebula-health-agent",),
    ),
    "single": Kind(
        W,
        "The zone has one server.",
        ("Add two more front-ends to the inventory's group 'frontends' and run site.yml.",),
    ),
    "even_servers": Kind(
        A,
        "An even number of servers bears no more failures than one server fewer.",
        ("Add a server, or remove one.",),
    ),
}

# Every code, and how much it weighs.
CODES: dict[str, Severity] = {code: kind.severity for code, kind in KINDS.items()}


@dataclass(frozen=True)
class Problem:
    """Something to mend: a stable code, the server it is about, a sentence, and what to do next."""

    code: str
    server: str | None
    sentence: str
    next_step: str

    @property
    def severity(self) -> Severity:
        """What it does to the verdict."""
        return CODES[self.code]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "server": self.server,
            "sentence": self.sentence,
            "next_step": self.next_step,
        }


def problem(code: str, server: str | None, sentence: str, step: int = 0, **values: object) -> Problem:
    """A problem whose next step is one of its kind, filled in; `name` is the server's unless it is given."""
    return Problem(code, server, sentence, KINDS[code].steps[step].format(**{"name": server, **values}))


def in_order(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """In the order of a report."""
    order = {code: position for position, code in enumerate(CODES)}
    return tuple(sorted(problems, key=lambda item: order[item.code]))
