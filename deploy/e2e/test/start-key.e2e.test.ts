import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Topology } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { standalone } from '../src/index.ts';
import { useBrowser, useStandalone } from './use-topology.ts';

describe('pages beside a standalone', { timeout: 300_000 }, () => {
  let shared: Topology;
  let browser: Browser;
  useStandalone((it) => (shared = it));
  useBrowser((it) => (browser = it));

  test('that it serves have its key without a form, also that of its next start, and store it nowhere', async () => {
    let topology: Topology = await standalone();
    const { port } = new URL(topology.pageUrl);
    const open = async (path: string): Promise<Page> => {
      const page = await browser.newPage();
      page.setDefaultTimeout(120_000);
      await page.goto(`${topology.pageUrl}${path}`);
      await page.locator('.state.live').waitFor();
      return page;
    };
    try {
      const [graph, operations] = [await open('/topology'), await open('/operations')];
      await operations.getByTestId('key-name').getByText('may give orders').waitFor();
      // Nobody entered the key.
      expect(await operations.getByTestId('forget').count()).toBe(0);
      const firstKey = topology.api.apiKey!;
      for (const page of [graph, operations]) {
        expect(await page.evaluate(() => [sessionStorage.length, localStorage.length])).toEqual([0, 0]);
        expect(await page.content()).not.toContain(firstKey);
      }

      await topology.stop();
      await Promise.all([graph, operations].map((page) => page.locator('.state.lost').waitFor()));
      topology = await standalone({ FLOTILLA_PORT: port });
      expect(topology.api.apiKey).not.toBe(firstKey);
      await Promise.all([graph, operations].map((page) => page.locator('.state.live').waitFor()));

      await Promise.all([graph.close(), operations.close()]);
    } finally {
      await topology.stop();
    }
  });

  test('of another origin of the machine cannot read the key', async () => {
    // A page at another port of this machine is of the same site and of another origin.
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Another</title>');
    });
    onTestFinished(() => void server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const read = await page.evaluate(
      (url) =>
        Promise.all(
          (['cors', 'no-cors'] as const).map((mode) =>
            fetch(url, { method: 'POST', mode }).then(
              (response) => response.text(),
              () => 'refused',
            ),
          ),
        ),
      `${shared.pageUrl}/console/key`,
    );
    expect(read).toEqual(['refused', '']);
    await page.close();
  });
});
