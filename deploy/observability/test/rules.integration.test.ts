import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { objectives } from '../src/objectives.ts';
import type { RuleGroup } from '../src/rules.ts';
import { alertTests } from './alert-cases.ts';
import { alertmanagerFile, pathOf, rulesFile } from './files.ts';

const execute = promisify(execFile);
/** What a program writes. Rejects, with what it wrote, when the program fails. */
const run = async (program: string, ...args: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await execute(program, args, { maxBuffer: 2 ** 26 });
  return stdout || stderr;
};

describe('the rules of Prometheus', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'flotilla-rules-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('pass promtool', async () => {
    expect(await run('promtool', 'check', 'rules', pathOf(rulesFile))).toMatch(/SUCCESS: \d+ rules found/);
  });

  test.each(objectives.map(({ alert, id }) => ({ alert, id })))(
    'fire $alert on a fault and are silent on noise',
    async ({ alert, id }) => {
      // Those of one objective: promtool evaluates all rules of its file at each step.
      const { groups } = parse(readFileSync(pathOf(rulesFile), 'utf8')) as { groups: RuleGroup[] };
      const own = groups.map((group) => ({
        ...group,
        rules: group.rules.filter((rule) => ('alert' in rule ? rule.alert === alert : rule.labels['sli'] === id)),
      }));
      const rules = join(folder, `${id}.rules.yaml`);
      writeFileSync(rules, stringify({ groups: own }));
      for (const [index, tests] of alertTests(id, rules).entries()) {
        const path = join(folder, `${id}.tests-${index}.yaml`);
        writeFileSync(path, stringify(tests, { aliasDuplicateObjects: false }));
        expect(await run('promtool', 'test', 'rules', path)).toContain('SUCCESS');
      }
    },
  );
});

describe('the configuration of Alertmanager', () => {
  const config = pathOf(alertmanagerFile);
  const receivers = async (...labels: readonly string[]) =>
    (await run('amtool', 'config', 'routes', 'test', `--config.file=${config}`, ...labels)).trim();

  test('passes amtool', async () => {
    expect(await run('amtool', 'check-config', config)).toContain('SUCCESS');
  });

  test('sends pages to PagerDuty and the webhook, tickets and all others to the webhook alone', async () => {
    expect(await receivers('severity=page', 'alertname=FlotillaJoinsFail')).toBe('pagerduty,webhook');
    expect(await receivers('severity=ticket', 'alertname=FlotillaJoinsFail')).toBe('webhook');
    expect(await receivers('alertname=Another')).toBe('webhook');
  });
});
