#!/bin/sh
# Stand-in: vip.sh leader|follower [INTERFACE ADDRESS/PREFIX]...
# A leader takes the addresses and starts what only a leader runs; a follower gives both back.
set -eu

role=${1:-}
case $role in
    leader|follower) shift ;;
    *) echo "vip.sh: the first argument is leader or follower, not '$role'" >&2; exit 1 ;;
esac

holds() { ip -brief address show dev "$1" | grep -qwF -- "$2"; }

while [ $# -ge 2 ]; do
    if [ "$role" = leader ]; then
        holds "$1" "$2" || sudo -n ip address add "$2" dev "$1"
        sudo -n arping -q -U -c 2 -w 3 -I "$1" "${2%/*}"
    elif holds "$1" "$2"; then
        sudo -n ip address del "$2" dev "$1"
    fi
    shift 2
done

# Services of other packages may be absent; one that is not enabled is not ours to start. Without waiting: a unit ordered
# after oned would wait for the very stop that this script is part of.
for unit in opennebula-flow.service opennebula-gate.service opennebula-hem.service opennebula-showback.timer; do
    systemctl is-enabled --quiet "$unit" 2>/dev/null || continue
    if [ "$role" = leader ]; then
        sudo -n systemctl --no-block start "$unit"
    else
        sudo -n systemctl --no-block stop "$unit"
    fi
done
