import { gauge } from '@flotilla/runtime';
import type { Serving } from './transport.ts';

/** Interval at which the length of a queue is asked for, ms. */
const checkMs = 5000;

/** The last known number of messages of each queue that this process consumes. */
const served = new Set<{ readonly service: string; messages: number }>();

gauge({
  name: 'flotilla_command_queue_messages',
  help: 'Commands in the longest queue of a service that this process consumes, not delivered yet. Checked every 5 s.',
  labelNames: ['service'],
  collect() {
    const longest = new Map<string, number>();
    for (const { service, messages } of served) longest.set(service, Math.max(messages, longest.get(service) ?? 0));
    this.reset();
    for (const [service, messages] of longest) this.set({ service }, messages);
  },
});

/** Measures the length of a queue until the returned function is called. */
export function watchBacklog(service: string, serving: Serving): () => void {
  const backlog = { service, messages: 0 };
  served.add(backlog);
  const check = (): void =>
    void serving.waiting().then(
      (messages) => (backlog.messages = messages),
      // The connection is down: the last number stays.
      () => undefined,
    );
  const timer = setInterval(check, checkMs).unref();
  return () => {
    clearInterval(timer);
    served.delete(backlog);
  };
}
