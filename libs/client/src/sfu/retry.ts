/** Pauses before a failed subscription or a failed media connection is tried again, in milliseconds. */
export const retryPausesMs = [250, 500, 1000, 2000, 4000, 8000] as const;
