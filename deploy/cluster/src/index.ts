export { powerOff, powerOn, restartPart } from './cluster.ts';
export { command } from './command.ts';
export { apiKey, install } from './install.ts';
export { get, kubectl } from './kubectl.ts';
export { setCable } from './network.ts';
export { startKubelet, stopKubelet } from './node.ts';
export { type Pod, pods, restartDeployment } from './pods.ts';
export { namespace, nodeName, pageUrl, registryUrl } from './settings.ts';
export { waitUntil } from './wait-until.ts';
