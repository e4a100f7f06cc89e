#!/bin/sh
# in-network-namespace.sh COMMAND [ARGUMENT]...
# Runs a command in a network namespace of its own, with a loopback interface and one other. Firefox ignores ICE candidates on
# loopback, and on the other interface of a namespace media is exposed to no network. Brokers of the surrounding network cannot
# be reached there: the command starts its own. Linux only; a user other than root needs user namespaces.
set -e
unset REDIS_URL AMQP_URL
# Where `ip` is, for users other than root.
PATH=$PATH:/usr/sbin
[ "$(id -u)" = 0 ] || as_root=--map-root-user
exec unshare --net $as_root sh -ec '
  ip link set lo up
  ip link add media0 type veth peer name media1
  ip link set media0 up
  ip link set media1 up
  ip address add 198.51.100.1/24 dev media0
  ip route add default dev media0
  exec "$@"' sh "$@"
