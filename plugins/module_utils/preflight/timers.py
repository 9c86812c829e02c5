# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raft's timers: the profile, and own values, judged by what comes of both."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional

from ..timing import DEFAULT, HEARTBEATS, OWN, PROFILES, UPSTREAM, VOTE_MS, WHOLE_MS, given, whole
from .cloud import Cloud
from .fault import Fault, shown

VARIABLE = "one_timing"
ELECTION, STEP, BROADCAST, CALL = VARIABLES = tuple(f"one_{name}" for name in OWN)


def timer_faults(cloud: Cloud) -> List[Fault]:
    """Every fault of the profile and of the values in place of its own."""
    faults: List[Fault] = []
    name = cloud.values.get(VARIABLE, DEFAULT)
    profile = PROFILES.get(name) if isinstance(name, str) else None
    if profile is None:
        fix = f"choose one of {', '.join(PROFILES)}"
        faults.append(Fault(VARIABLE, shown("", name), None, "it is no timing profile", fix))
    own = _own(cloud)
    # A profile alone passes, upstream's equal timers included: these are warned of.
    if not own:
        return faults
    values: Dict[str, Optional[int]] = {}
    for key, variable in zip(OWN, VARIABLES):
        values[variable] = whole(own[variable]) if variable in own else getattr(profile, key, None)
        # What is unknown, or has its fault as a number, is compared with nothing.
        if {variable, VARIABLE} & cloud.unclear or (variable in own and (values[variable] or 0) <= 0):
            values[variable] = None
    return [*faults, *_second_faults(values, own), *_step_faults(values, own), *_beat_faults(values, own)]


def timer_advice(cloud: Cloud) -> List[str]:
    """A profile that works less well than the others."""
    if cloud.values.get(VARIABLE) != UPSTREAM or _own(cloud):
        return []
    told = (
        f"The timing profile {UPSTREAM} (one_timing) gives all servers the same election timer: two can ask for votes "
        f"at once, and the zone waits for another round. The profile {DEFAULT} has distinct ones."
    )
    return [told]


def _own(cloud: Cloud) -> Dict[str, object]:
    return {variable: cloud.values[variable] for variable in VARIABLES if given(cloud.values.get(variable))}


def _second_faults(values: Mapping[str, Optional[int]], own: Mapping[str, object]) -> List[Fault]:
    faults = []
    for variable in (ELECTION, STEP):
        number = values[variable]
        if variable in own and number is not None and number % WHOLE_MS:
            problem = "election timers that did not collide were distinct whole seconds, and this is none"
            faults.append(Fault(variable, str(number), None, problem, f"write {_above(number)}"))
    return faults


def _step_faults(values: Mapping[str, Optional[int]], own: Mapping[str, object]) -> List[Fault]:
    step, call = values[STEP], values[CALL]
    if step is None or call is None or step >= call + VOTE_MS:
        return []
    enough = _above(call + VOTE_MS)
    if step == 0:
        problem = "the profile's election timers are equal for all servers, and own values go with distinct ones only"
        fix = f"set it to {enough}, or leave all own timers empty"
        return [Fault(STEP, "0", None, problem, fix)]
    problem = f"timers less than {CALL} + {VOTE_MS} ms ({call + VOTE_MS}) apart collide in elections"
    if STEP in own:
        return [Fault(STEP, str(step), None, problem, f"raise it to {enough} or more")]
    fix = f"lower it to {step - VOTE_MS} or less, or set {STEP} to {enough} or more"
    return [Fault(CALL, str(call), None, f"{problem}, and the profile's are {step} ms apart", fix)]


def _beat_faults(values: Mapping[str, Optional[int]], own: Mapping[str, object]) -> List[Fault]:
    election, broadcast = values[ELECTION], values[BROADCAST]
    if election is None or broadcast is None or election >= HEARTBEATS * broadcast:
        return []
    least = HEARTBEATS * broadcast
    problem = f"a follower would give up a living leader below {HEARTBEATS} x {BROADCAST} ({least})"
    if ELECTION in own:
        return [Fault(ELECTION, str(election), None, problem, f"raise it to {_above(least)} or more")]
    fix = f"lower it to {election // HEARTBEATS} or less, or set {ELECTION} to {_above(least)} or more"
    return [Fault(BROADCAST, str(broadcast), None, f"{problem}, and the profile's timer is {election}", fix)]


def _above(number: int) -> int:
    """The next whole second."""
    return -(-number // WHOLE_MS) * WHOLE_MS
