import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

/** An event of PagerDuty's Events API v2, as its reference describes it. */
const PagerDutyEvent = z.object({
  routing_key: z.string().length(32),
  event_action: z.enum(['trigger', 'acknowledge', 'resolve']),
  dedup_key: z.string().min(1).max(255),
  payload: z.object({
    summary: z.string().min(1).max(1024),
    source: z.string().min(1),
    severity: z.enum(['critical', 'warning', 'error', 'info']),
    class: z.string().optional(),
    custom_details: z.record(z.string(), z.unknown()),
  }),
  links: z.array(z.object({ href: z.url(), text: z.string() })),
});
export type PagerDutyEvent = z.infer<typeof PagerDutyEvent>;

/** The used part of what Alertmanager sends to a webhook, version 4. */
const WebhookMessage = z.object({
  version: z.literal('4'),
  status: z.enum(['firing', 'resolved']),
  alerts: z.array(
    z.object({ labels: z.record(z.string(), z.string()), annotations: z.record(z.string(), z.string()) }),
  ),
});
export type WebhookMessage = z.infer<typeof WebhookMessage>;

/** Receives alerts as PagerDuty does, at /v2/enqueue, and as a webhook, at /alerts. Refuses what has another format. */
export class AlertReceiver {
  readonly events: PagerDutyEvent[] = [];
  readonly messages: WebhookMessage[] = [];
  /** What was refused, and why. */
  readonly refused: string[] = [];
  readonly #server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      try {
        const body: unknown = JSON.parse(text);
        if (request.url === '/v2/enqueue') this.events.push(PagerDutyEvent.parse(body));
        else this.messages.push(WebhookMessage.parse(body));
        response.writeHead(202, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ status: 'success', message: 'Event processed' }));
      } catch (error) {
        this.refused.push(`${request.url}: ${text}: ${String(error)}`);
        response.writeHead(400).end();
      }
    });
  });

  static async start(): Promise<AlertReceiver> {
    const receiver = new AlertReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
