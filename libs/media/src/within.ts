/** Resolves when the work is settled or the time is over. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, ms);
  try {
    await Promise.race([work.catch(() => undefined), timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
