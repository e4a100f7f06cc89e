export { isRunning, killPart, loadImage, powerOff, powerOn, startPart } from './cluster.ts';
export { brokerPorts } from './brokers.ts';
export { cgroupOf } from './cgroups.ts';
export { command, type CommandOptions } from './command.ts';
export { apiKey, helm, install } from './install.ts';
export { apply, currentKubeconfig, get, kubectl } from './kubectl.ts';
export { setCable } from './network.ts';
export { containerPid, inNode, nodeEntry, startKubelet, stopKubelet, tagImage } from './node.ts';
export { containerOf, killProcess, type Pod, pods, restartDeployment, runningPods } from './pods.ts';
export {
  controlPlaneAddress,
  gatewayUrlOf,
  namespace,
  nodeAddress,
  nodeName,
  pageUrl,
  program,
  registryUrl,
  servicePorts,
} from './settings.ts';
export { waitUntil } from './wait-until.ts';
