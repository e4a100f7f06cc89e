/** Unsent bytes above which a client is pinged out of turn. */
export const probeBacklogBytes = 64 * 1024;

/**
 * Bytes that may wait for one client: unsent ones, and, counted apart, those that are held until it has caught up. Above either its
 * connection is closed.
 */
export const maxBacklogBytes = 1024 * 1024;
