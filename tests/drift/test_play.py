"""The report of a run is read right, on real runs of small playbooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drift.play import Run, only, run

PLAY = """
- name: Here
  hosts: localhost
  connection: local
  gather_facts: false
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  tasks:
    - name: Write a file
      ansible.builtin.copy:
        content: "{{{{ words | default('new') }}}}\\n"
        dest: {folder}/file
        mode: "0644"
    - name: Nothing
      ansible.builtin.assert:
        that: "{good}"
"""


def play(folder: Path, *options: str, good: str = "true") -> Run:
    """Run the small playbook."""
    (folder / "play.yml").write_text(PLAY.format(folder=folder, good=good))
    (folder / "hosts").write_text("localhost\n")
    return run(str(folder / "play.yml"), folder / "hosts", *options)


def test_a_check_run_gives_the_diff_that_the_real_run_makes(tmp_path: Path) -> None:
    """The same change, the same diff; another change, another; then nothing."""
    (tmp_path / "file").write_text("old\n")
    predicted = play(tmp_path, "--check", "--diff").must_succeed()
    assert (tmp_path / "file").read_text() == "old\n"
    made = play(tmp_path, "--diff").must_succeed()
    assert only(predicted.of("localhost"), "Write a file").diffs == only(made.of("localhost"), "Write a file").diffs
    assert "old" in only(made.changes, "/file").diffs[0]
    again = play(tmp_path, "--diff").must_succeed()
    assert (again.changes, again.changed) == ((), {"localhost": 0})
    other = play(tmp_path, "--check", "--diff", "--extra-vars=words=other").must_succeed()
    assert only(other.changes, "/file").diffs != only(made.changes, "/file").diffs


def test_a_failure_is_one_with_the_words_of_the_task(tmp_path: Path) -> None:
    """It cannot pass for a run without changes."""
    with pytest.raises(AssertionError, match="Nothing"):
        play(tmp_path, good="false").must_succeed()


def test_a_playbook_that_never_ran_is_a_failure(tmp_path: Path) -> None:
    """No report is no success."""
    (tmp_path / "hosts").write_text("localhost\n")
    with pytest.raises(AssertionError, match="ended with"):
        run(str(tmp_path / "none.yml"), tmp_path / "hosts").must_succeed()
