import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from '@flotilla/processes';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { alertmanagerConfig, logsUrl, repositoryUrl } from '../src/alertmanager.ts';
import { type RuleGroup, runbookOf } from '../src/rules.ts';
import { AlertReceiver } from './alert-receiver.ts';
import { pathOf, rulesFile } from './files.ts';

const routingKey = '0123456789abcdef0123456789abcdef';
const alert = 'FlotillaJoinsFail';
/** Windows of a page, in place of those in hours. */
const windows: Readonly<Record<string, string>> = { '5m': '2s', '30m': '2s', '1h': '3s', '6h': '3s' };
const patience = { timeoutMs: 50_000, everyMs: 100 };

/** The rules of the alert that pages, with shortened windows. The names of recorded series stay. */
function shortenedRules(): { groups: RuleGroup[] } {
  const { groups } = parse(readFileSync(pathOf(rulesFile), 'utf8')) as { groups: RuleGroup[] };
  return {
    groups: groups.map(({ name, rules }) => ({
      name,
      interval: '500ms',
      rules: rules
        .filter((rule) => ('alert' in rule ? rule.alert === alert : rule.labels['sli'] === 'join_success'))
        .map((rule) => ({
          ...rule,
          expr: rule.expr.replaceAll(/\[(\w+)\]/g, (_, of: string) => `[${windows[of] ?? '3s'}]`),
        })),
    })),
  };
}

/** A gateway whose joins succeed or fail, ten with each scrape. */
class Joins {
  isFailing = false;
  readonly #counts = { ok: 0, UNAVAILABLE: 0 };
  readonly server: Server = createServer((_request, response) => {
    this.#counts[this.isFailing ? 'UNAVAILABLE' : 'ok'] += 10;
    const lines = Object.entries(this.#counts).map(
      ([outcome, count]) => `signaling_messages_total{type="join",outcome="${outcome}"} ${count}`,
    );
    response.setHeader('content-type', 'text/plain; version=0.0.4').end(`${lines.join('\n')}\n`);
  }).listen(0, '127.0.0.1');
}

describe('a page', () => {
  let folder: string;
  let receiver: AlertReceiver;
  const joins = new Joins();
  const children: Child[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'flotilla-pager-'));
    receiver = await AlertReceiver.start();
    const [alertmanagerPort, prometheusPort] = [await freePort(), await freePort()];
    const file = (name: string, content: unknown): string => {
      writeFileSync(join(folder, name), typeof content === 'string' ? content : stringify(content));
      return join(folder, name);
    };
    const keyFile = file('routing-key', routingKey);
    // The configuration that is installed, with other addresses and times.
    const config = JSON.stringify(alertmanagerConfig)
      .replaceAll(/"(group_wait|group_interval)":"\w+"/g, '"$1":"500ms"')
      .replace('/etc/alertmanager/secrets/pagerduty-routing-key', keyFile)
      .replace('http://alert-webhook:8080', receiver.url);
    const alertmanager = new Child('alertmanager', 'prometheus-alertmanager', [
      `--config.file=${file('alertmanager.yaml', { global: { pagerduty_url: `${receiver.url}/v2/enqueue` }, ...JSON.parse(config) })}`,
      `--storage.path=${join(folder, 'alerts')}`,
      `--web.listen-address=127.0.0.1:${alertmanagerPort}`,
      '--cluster.listen-address=',
    ]);
    const target = `127.0.0.1:${(joins.server.address() as AddressInfo).port}`;
    const prometheus = new Child('prometheus', 'prometheus', [
      `--config.file=${file('prometheus.yaml', {
        global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' },
        rule_files: [file('rules.yaml', stringify(shortenedRules(), { aliasDuplicateObjects: false }))],
        alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanagerPort}`] }] }] },
        scrape_configs: [{ job_name: 'flotilla', static_configs: [{ targets: [target] }] }],
      })}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${prometheusPort}`,
    ]);
    children.push(alertmanager, prometheus);
    await Promise.all([alertmanager.line(/Listening on/), prometheus.line(/Server is ready to receive web requests/)]);
  });
  afterAll(async () => {
    await Promise.all(children.map((child) => child.stop()));
    receiver?.close();
    joins.server.close();
    joins.server.closeAllConnections();
    rmSync(folder, { recursive: true });
  });

  const eventOf = (action: string) => receiver.events.find(({ event_action }) => event_action === action);
  const messageOf = (status: string) => receiver.messages.find((message) => message.status === status);

  test('reaches PagerDuty and the webhook when joins fail, and is resolved at both when they succeed again', async () => {
    joins.isFailing = true;
    const triggered = await waitFor('the event at PagerDuty', () => eventOf('trigger') ?? notYet('none'), patience);
    expect(triggered).toMatchObject({
      routing_key: routingKey,
      payload: {
        summary: 'Joins of rooms fail.',
        severity: 'critical',
        class: alert,
        custom_details: { runbook: runbookOf(alert) },
      },
      links: [
        { href: `${repositoryUrl}/${runbookOf(alert)}`, text: 'Runbook' },
        { href: expect.stringContaining(logsUrl), text: 'Logs' },
      ],
    });
    const logs = new URL(triggered.links[1]!.href).searchParams.get('query');
    expect(logs).toBe('{namespace=~".+"} | json | service=~"signaling-gateway" | level >= 40');
    const firing = await waitFor('the message to the webhook', () => messageOf('firing') ?? notYet('none'), patience);
    expect(firing.alerts[0]).toMatchObject({
      labels: { alertname: alert, severity: 'page' },
      annotations: { runbook: runbookOf(alert), logs },
    });

    joins.isFailing = false;
    const resolved = await waitFor('its end at PagerDuty', () => eventOf('resolve') ?? notYet('none'), patience);
    expect(resolved.dedup_key).toBe(triggered.dedup_key);
    await waitFor('its end at the webhook', () => messageOf('resolved') ?? notYet('none'), patience);
    expect(receiver.refused).toEqual([]);
  }, 120_000);
});
