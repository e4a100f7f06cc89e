# The first process of a node, in namespaces of its own: starts containerd and kube-proxy, and keeps the kubelet running.
# Argument: the node's directory. NODE_NAME, NODE_ADDRESSES, NODE_KUBECONFIG, PROGRAMS and IMAGES are set.
set -u
node=$1
export PATH=$PROGRAMS:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

hostname "$NODE_NAME"
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
# The kubelet insists on three settings of the whole machine. In the node's mounts they read so; the machine keeps its own.
for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
  file=/run/$(basename "${setting%=*}")
  echo "${setting#*=}" > "$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
mkdir -p "$node/log" "$node/pods" "$node/kubelet" "$node/state"
mount --bind "$node/log" /var/log
# libcni keeps its results there.
mkdir -p /var/lib/cni
mount -t tmpfs tmpfs /var/lib/cni

containerd --config "$node/containerd.toml" > "$node/log/containerd.log" 2>&1 &
for attempt in $(seq 300); do
  ctr --address "$node/containerd.sock" version > /dev/null 2>&1 && break
  sleep 0.1
done
for archive in "$PROGRAMS/pause.tar" "$IMAGES"/*.tar; do
  [ -e "$archive" ] && ctr --address "$node/containerd.sock" --namespace k8s.io images import "$archive" > /dev/null
done
kube-proxy --config "$node/kube-proxy.json" > "$node/log/kube-proxy.log" 2>&1 &
while :; do
  if [ ! -e "$node/no-kubelet" ]; then
    kubelet --config "$node/kubelet.json" --kubeconfig "$NODE_KUBECONFIG" --root-dir "$node/kubelet" \
      --cert-dir "$node/kubelet/pki" --hostname-override "$NODE_NAME" --node-ip "$NODE_ADDRESSES" \
      --containerd "$node/containerd.sock" --v 1 >> "$node/log/kubelet.log" 2>&1 &
    echo $! > "$node/kubelet.pid"
    wait $!
  fi
  sleep 0.3
done
