# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.filter.health_table import health_table
from ansible_collections.nebula.ha.plugins.module_utils.zone.judge import judge
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import ServerState

from .zone.zones import down, expected, up, zone


def test_a_report_in_full() -> None:
    of = zone(3)
    answers = [up(0, ServerState.LEADER, of, index=1000), up(1, ServerState.FOLLOWER, of, index=998), down(2), down(3)]
    verdict = judge(answers, expected(4)).as_dict()
    assert health_table(verdict) == [
        (
            "Zone OpenNebula is degraded: fe1 leads 2 of 3 servers in term 5 at index 1000. fe3 "
            "(http://10.0.0.3:2633/RPC2) does not answer: connection refused. The inventory has fe4 "
            "(http://10.0.0.4:2633/RPC2), the zone OpenNebula has no such server."
        ),
        "",
        "  SERVER  ID  STATE                    TERM  INDEX  LAG  VERSION  ENDPOINT",
        "  fe1      0  leader                      5   1000    0  6.10.5   http://10.0.0.1:2633/RPC2",
        "  fe2      1  follower                    5    998    2  6.10.5   http://10.0.0.2:2633/RPC2",
        "  fe3      2  error                       -      -    -  -        http://10.0.0.3:2633/RPC2",
        "  fe4      -  error (not in the zone)     -      -    -  -        http://10.0.0.4:2633/RPC2",
        "",
        " ! fe3 (http://10.0.0.3:2633/RPC2) does not answer: connection refused.",
        "     oned does not run there: systemctl status opennebula on fe3. [server_unreachable]",
        " ! The inventory has fe4 (http://10.0.0.4:2633/RPC2), the zone OpenNebula has no such server.",
        "     Run site.yml: it adds the server. [server_missing]",
    ]


def test_a_healthy_zone_has_no_problems_below_its_table() -> None:
    of = zone(3)
    lines = health_table(
        judge([up(0, ServerState.LEADER, of), *(up(i, ServerState.FOLLOWER, of) for i in (1, 2))]).as_dict()
    )
    assert len(lines) == 6


def test_nobody_answered() -> None:
    assert health_table(judge([]).as_dict())[0].startswith("The zone gives no service")


def test_what_is_no_verdict_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="zone_health"):
        health_table({"changed": False})
