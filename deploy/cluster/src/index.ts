export { killPart, loadImage, powerOff, powerOn, startPart } from './cluster.ts';
export { command } from './command.ts';
export { apiKey, helm, install } from './install.ts';
export { apply, get, kubectl } from './kubectl.ts';
export { setCable } from './network.ts';
export { startKubelet, stopKubelet, tagImage } from './node.ts';
export { killProcess, type Pod, pods, restartDeployment } from './pods.ts';
export { gatewayUrlOf, namespace, nodeAddress, nodeName, pageUrl, registryUrl, servicePorts } from './settings.ts';
export { waitUntil } from './wait-until.ts';
