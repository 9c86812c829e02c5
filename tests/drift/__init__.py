"""What a run of a playbook changed, and what a machine looks like before and after it."""
