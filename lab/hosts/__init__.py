"""Makes and destroys systemd-nspawn machines from an Ansible inventory."""
