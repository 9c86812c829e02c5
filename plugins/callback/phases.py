# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a playbook run as numbered phases, for a person who waits for it."""

from __future__ import annotations

DOCUMENTATION = """
name: phases
type: stdout
short_description: Plays as numbered phases, with times while they run
version_added: 0.1.0
description:
  - Every play is a phase with a number, a name, its time and how much it changed on how many hosts.
  - Tasks that succeed are not shown; on a terminal the running task is, on the line of its phase.
  - A failure is a sentence that names the host, the task and the cause.
  - The message of an C(ansible.builtin.debug) task is printed as it is when its phase has ended;
    equal messages of several hosts are printed once. What the last phase says is the last thing on the screen.
  - With C(--diff) the differences are shown, with C(-v) also every task that changed something.
author:
  - Nebula HA contributors (@nebula-ha)
"""

import shutil
import sys
import time

from ansible import constants as C
from ansible import context
from ansible.plugins.callback import CallbackBase

NAME_WIDTH = 44
OUTPUT_LINES = 20


def phase_line(number, total, name, outcome):
    """One finished phase, dots up to the column of the times."""
    head = "[%d/%d] %s " % (number, total, name)
    return head.ljust(NAME_WIDTH, ".") + " " + outcome


def outcome_text(seconds, changed, hosts, failed, check_mode=False):
    """What a phase took and did, as the end of its line."""
    verb = "would change" if check_mode else "changed"
    text = "%6.1f s  " % seconds
    if changed:
        text += "%s %d on %s" % (verb, changed, count(len(hosts), "host"))
    else:
        text += "nothing to change" if check_mode else "nothing changed"
    if failed:
        text += ", failed on " + ", ".join(sorted(failed))
    return text


def count(number, noun):
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")


def message_lines(message):
    """The lines of a debug message: text as it is, a list one line per element."""
    if isinstance(message, (list, tuple)):
        return [str(line) for line in message]
    return str(message).rstrip("\n").split("\n")


def cause_lines(result):
    """Why a task failed: the module's message, then what a command printed, as far as the message does not say it."""
    if "censored" in result:
        return ["its result is hidden, because it may hold a secret (no_log)"]
    lines = message_lines(result.get("msg") or "the module gave no reason")
    for key in ("module_stderr", "stderr", "module_stdout", "stdout"):
        text = str(result.get(key) or "").strip()
        if text and text not in "\n".join(lines):
            lines.extend("  " + line for line in text.split("\n")[-OUTPUT_LINES:])
    return lines


def failure_lines(host, task, result, item=None, ignored=False):
    """A failure as a sentence; further lines of a long cause below it."""
    cause = cause_lines(result)
    where = " for %s" % item if item is not None else ""
    ending = " (the play goes on: this failure is allowed)" if ignored else ""
    return ['%s: the task "%s" failed%s: %s%s' % (host, task, where, cause[0], ending)] + cause[1:]


class CallbackModule(CallbackBase):
    """One instance sees a whole run: several playbooks, each with plays, a play perhaps in several batches of hosts."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "nebula.ha.phases"

    def __init__(self, *args, clock=time.monotonic, **kwargs):
        super().__init__(*args, **kwargs)
        self._clock = clock
        self._live = sys.stdout.isatty()
        self._begun = clock()
        self._total = 0
        self._number = 0
        self._play = None
        self._name = ""
        self._open = False  # the phase's line has been begun and nothing else was printed since
        self._messages = []
        self._all_changed = 0
        self._all_hosts = set()
        self._reset(clock())

    def _reset(self, now):
        self._started = now
        self._changed = 0
        self._hosts = set()
        self._failed = set()
        self._messages = []

    @property
    def _check_mode(self):
        return bool(context.CLIARGS.get("check"))

    # -- writing ------------------------------------------------------------------------------------------------------

    def _status(self, detail=""):
        """The line of the running phase: rewritten in place on a terminal, begun once elsewhere."""
        head = "[%d/%d] %s " % (self._number, self._total, self._name)
        if self._live:
            text = head + ("- %s (%.0f s)" % (detail, self._clock() - self._started) if detail else "")
            width = shutil.get_terminal_size().columns - 1
            self._display.display("\r\033[K" + text[:width], newline=False, screen_only=True)
            self._open = True
        elif not self._open and not detail:
            self._display.display(head, newline=False, screen_only=True)
            self._open = True

    def _print(self, lines, color=None):
        """Lines of their own, whatever stood half written before."""
        if self._open:
            self._display.display("\r\033[K" if self._live else "", newline=not self._live, screen_only=True)
            self._open = False
        for line in lines:
            self._display.display(line, color=color)

    def _finish_phase(self):
        if self._play is None:
            return
        outcome = outcome_text(
            self._clock() - self._started, self._changed, self._hosts, self._failed, self._check_mode
        )
        line = phase_line(self._number, self._total, self._name, outcome)
        color = C.COLOR_ERROR if self._failed else C.COLOR_CHANGED if self._changed else C.COLOR_OK
        if self._live:
            self._display.display("\r\033[K", newline=False, screen_only=True)
            self._display.display(line, color=color)
        elif self._open:
            begun = len("[%d/%d] %s " % (self._number, self._total, self._name))
            self._display.display(line[begun:], color=color)
        else:
            self._display.display(line, color=color)
        self._open = False
        self._play = None
        self._all_changed += self._changed
        self._all_hosts |= self._hosts

    # -- the run ------------------------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook):
        self._total += len(playbook.get_plays())
        if self._check_mode and not self._number:
            self._print(["Check mode: nothing is changed, the lines say what would be."])

    def v2_playbook_on_play_start(self, play):
        identity = getattr(play, "_uuid", play)
        if identity == self._play:
            return  # the next batch of a serial play is the same phase
        self._finish_phase()
        self._say()
        self._play = identity
        self._number += 1
        self._name = play.get_name().strip() or "play"
        self._reset(self._clock())
        self._status()

    def v2_playbook_on_no_hosts_matched(self):
        self._print(["No host of the inventory is in this play."], color=C.COLOR_SKIP)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._status(task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self._status(task.get_name())

    def v2_playbook_on_vars_prompt(self, varname, **kwargs):
        self._print([])

    def v2_runner_retry(self, result):
        self._status("%s, %s is tried again" % (result.task_name, result.host.name))

    def v2_runner_on_ok(self, result):
        self._warn(result)
        if result.task.action in C._ACTION_DEBUG and "results" not in result.result:
            self._keep_message(result.result)
        if result.is_changed():
            self._changed += 1
            self._hosts.add(result.host.name)
            if self._display.verbosity:
                verb = "would change" if self._check_mode else "changed"
                self._print(['%s: "%s" %s' % (result.host.name, result.task_name, verb)], color=C.COLOR_CHANGED)

    def v2_runner_item_on_ok(self, result):
        if result.task.action in C._ACTION_DEBUG:
            self._keep_message(result.result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._warn(result)
        if not ignore_errors:
            self._failed.add(result.host.name)
        if not result.result.get("results"):  # the items of a loop have been shown one by one
            self._print(
                failure_lines(result.host.name, result.task_name, result.result, ignored=ignore_errors),
                color=C.COLOR_ERROR,
            )

    def v2_runner_item_on_failed(self, result):
        item = self._get_item_label(result.result)
        ignored = bool(result.task_fields.get("ignore_errors"))
        self._print(
            failure_lines(result.host.name, result.task_name, result.result, item, ignored), color=C.COLOR_ERROR
        )

    def v2_runner_on_unreachable(self, result):
        self._failed.add(result.host.name)
        reason = " ".join(message_lines(result.result.get("msg") or "no reason was given"))
        self._print(["%s could not be reached: %s" % (result.host.name, reason)], color=C.COLOR_UNREACHABLE)

    def v2_on_file_diff(self, result):
        changes = result.result.get("results") or [result.result]
        for change in changes:
            if isinstance(change, dict) and change.get("diff") and change.get("changed"):
                text = self._get_diff(change["diff"])
                if text:
                    self._print(['%s: "%s"' % (result.host.name, result.task_name)], color=C.COLOR_CHANGED)
                    self._print([text.rstrip("\n")])

    def v2_playbook_on_stats(self, stats):
        self._finish_phase()
        hosts = sorted(stats.processed)
        broken = [host for host in hosts if stats.failures.get(host) or stats.dark.get(host)]
        total = self._clock() - self._begun
        summary = "%s in %.1f s, %s" % (
            count(self._number, "phase"),
            total,
            outcome_text(0, self._all_changed, self._all_hosts, broken, self._check_mode).split("s  ", 1)[1],
        )
        self._print([summary], color=C.COLOR_ERROR if broken else C.COLOR_OK)
        self._say()

    # -- what a task says ---------------------------------------------------------------------------------------------

    def _keep_message(self, result):
        """A debug task's message, once though several hosts say the same."""
        if "msg" in result:
            lines = message_lines(result["msg"])
        else:
            self._clean_results(result, "debug")
            lines = ["%s: %s" % (key, value) for key, value in sorted(result.items()) if not key.startswith("_")]
        if lines and lines not in self._messages:
            self._messages.append(lines)

    def _say(self):
        for lines in self._messages:
            self._print(lines)
        self._messages = []

    def _warn(self, result):
        """Warnings of a task, on a line of their own."""
        if result.warnings or result.deprecations:
            self._print([])
        self._handle_warnings(result.result)
