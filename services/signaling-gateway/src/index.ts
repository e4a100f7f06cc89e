export { type GatewayConfig, gatewayConfig } from './config.ts';
export { SignalingGatewayModule, type SignalingGatewayOptions, useSignaling } from './signaling-gateway.module.ts';
