export { sessionRevoked, SignalSession, type SignalSessionHandlers } from './signal-session.ts';
export { SignalSocket } from './signal-socket.ts';
