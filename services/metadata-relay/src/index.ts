export { checkRelayAddresses, metadataRelayConfig, type RelayConfig, relayConfig } from './config.ts';
export { MetadataRelayModule, type MetadataRelayOptions } from './metadata-relay.module.ts';
