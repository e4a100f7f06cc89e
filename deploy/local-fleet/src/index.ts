export { type Fleet, type FleetOptions, mediaAt, startFleet } from './fleet.ts';
