export { checkMediaAddresses, type NodeConfig, nodeConfig, sfuWorkerConfig } from './config.ts';
export { SfuWorkerModule, type SfuWorkerOptions } from './sfu-worker.module.ts';
