export { Grant, type ErrorCode, FlotillaError } from '@flotilla/contracts';
export { type Backend, type BackendOptions, createBackend, type RouteInput, type RouteReply } from './backend.ts';
