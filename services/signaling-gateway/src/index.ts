export {
  chatTextBytes,
  fanOutBytes,
  frameOverheadBytes,
  receiversPerRate,
  roomBurstSeconds,
} from './limits/fan-out.ts';
export { eventBytes, eventsOf, ownEventBurst, ownEventsPerSecond, resumedEventBurst } from './limits/room-events.ts';
export { bytesPerCost, costPerPublication, costPerRoom, requestCosts } from './limits/request-costs.ts';
export { type GatewayConfig, checkTurn, gatewayConfig, edgeConfig, limitsConfig } from './config.ts';
export {
  protectSignaling,
  SignalingGatewayModule,
  type SignalingGatewayOptions,
  useSignaling,
} from './signaling-gateway.module.ts';
export { nodeFlags } from './node-flags.ts';
export { type Limit, limitsTable } from './limits/limits-table.ts';
