import { CallPage, notYet, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { picture } from './picture.ts';
import { useBrowser, useFleet } from './use-topology.ts';

const megabytes = Number(process.env['DROP_MEGABYTES'] ?? 5);

/** Number of the page's connections with data channels. */
const relayLinks = (page: Page): Promise<number> =>
  page.evaluate(
    () => globalThis.connections.filter(({ sctp, connectionState }) => sctp && connectionState !== 'closed').length,
  );

const readout = (page: Page, of: string): Promise<string> =>
  page
    .locator(`[data-name=${of}]`)
    .getByTestId('alignment')
    .textContent({ timeout: 20_000 })
    .then((text) => text!.trim());

/** Selects a file of random bytes, created in the page because the driver's limit is 50 MB. Returns its SHA-256. */
const sendFile = ({ page }: CallPage, name: string, size: number): Promise<string> =>
  page.getByTestId('file').evaluate(
    async (input, [name_, size_]) => {
      const bytes = new Uint8Array(size_);
      for (let at = 0; at < size_; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      const files = new DataTransfer();
      files.items.add(new File([bytes], name_, { type: 'text/html' }));
      (input as HTMLInputElement).files = files.files;
      input.dispatchEvent(new Event('change'));
      return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    },
    [name, size] as const,
  );

describe('metadata on the call page', () => {
  let topology: Topology;
  let browser: Browser;
  useFleet((it) => (topology = it));
  useBrowser((it) => (browser = it));
  const join = (name: string, room: string): Promise<CallPage> =>
    CallPage.join(browser, topology.pageUrl, { room, name });

  test('boxes follow the moving shapes in a remote video, also for a later participant, and only in that video', async () => {
    const [ada, bob] = [await join('Ada', 'boxes'), await join('Bob', 'boxes')];
    await bob.receivesMediaOf('Ada');
    expect([await relayLinks(ada.page), await relayLinks(bob.page)]).toEqual([0, 0]);
    const shapes = async (): Promise<void> => {
      await ada.press('devices');
      await ada.press('shapes');
      await ada.page.keyboard.press('Escape');
    };
    await shapes();
    expect(await readout(bob.page, 'Ada')).toMatch(/^metadata ±\d+ ms, p95 \d+ ms, \d+ frames$/);
    const cleo = await join('Cleo', 'boxes');
    await readout(cleo.page, 'Ada');
    await waitFor(
      'many frames had boxes',
      async () => {
        const frames = Number(/(\d+) frames/.exec(await readout(bob.page, 'Ada'))![1]);
        if (frames < 100) notYet(`${frames} had`);
      },
      { timeoutMs: 30_000 },
    );
    console.log(`Bob: ${await readout(bob.page, 'Ada')}; Cleo: ${await readout(cleo.page, 'Ada')}`);
    await picture(bob.page, 'boxes');
    await bob.page.emulateMedia({ colorScheme: 'dark' });
    await picture(bob.page, 'boxes-dark');
    expect(await bob.page.locator('[data-name=Cleo]').getByTestId('alignment').count()).toBe(0);

    await shapes();
    await bob.page.getByTestId('alignment').waitFor({ state: 'detached' });
    await bob.receivesMediaOf('Ada');
    for (const { problems } of [ada, bob, cleo]) expect(problems).toEqual([]);
    await Promise.all([ada.close(), bob.close(), cleo.close()]);
  });

  test(
    `a file of ${megabytes} MB arrives unchanged at all participants`,
    { timeout: 120_000 + megabytes * 4000 },
    async () => {
      const pages = [await join('Ada', 'files'), await join('Bob', 'files'), await join('Cleo', 'files')];
      const [ada, bob, cleo] = pages as [CallPage, CallPage, CallPage];
      await bob.receivesMediaOf('Ada');
      const sent = await sendFile(ada, 'Ein <b>Bild</b> ☃.bin', megabytes * 1_000_000);
      const began = performance.now();
      await bob.page.locator('[data-state=moving]').waitFor();
      await Promise.all([ada, bob].map(({ page, name: of }) => picture(page, `file-moving-${of}`)));
      const hashes = [bob, cleo].map(async ({ page }) => {
        const link = page.getByTestId('download');
        await page.locator('[data-state=done], [data-state=stopped]').waitFor({ timeout: 60_000 + megabytes * 3000 });
        const tookMs = performance.now() - began;
        expect(await page.getByTestId('transfer').locator('.what').textContent()).toMatch(/MB\/s$/);
        expect(await link.getAttribute('download')).toBe('Ein _b_Bild__b_ ☃.bin');
        const hash = await link.evaluate(async (element) => {
          const response = await fetch((element as HTMLAnchorElement).href);
          const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await response.arrayBuffer()));
          return {
            type: response.headers.get('content-type'),
            hex: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
          };
        });
        return { ...hash, tookMs };
      });
      for (const { type, hex, tookMs } of await Promise.all(hashes)) {
        expect({ type, hex }).toEqual({
          type: 'application/octet-stream',
          hex: sent,
        });
        console.log(
          `${megabytes} MB in ${(tookMs / 1000).toFixed(1)} s from the choice to the link: ${((megabytes * 1000) / tookMs).toFixed(1)} MB/s`,
        );
      }
      await ada.page.locator('[data-state=done]').waitFor();
      for (const { page, name: of } of pages)
        console.log(`${of}: ${await page.getByTestId('transfer').locator('.what').textContent()}`);
      await Promise.all([ada, bob].map(({ page, name: of }) => picture(page, `file-done-${of}`)));
      await bob.page.emulateMedia({ colorScheme: 'dark' });
      await picture(bob.page, 'file-done-dark');
      for (const { problems } of pages) expect(problems).toEqual([]);
      await Promise.all(pages.map((page) => page.close()));
    },
  );

  test('a file transfer can be cancelled by either side, and a file above the limit is refused', async () => {
    const [ada, bob] = [await join('Ada', 'stops'), await join('Bob', 'stops')];
    await bob.receivesMediaOf('Ada');
    const send = (name: string, size: number): Promise<string> => sendFile(ada, name, size);
    const row = ({ page }: CallPage, name: string, state: string) =>
      page.locator(`[data-testid=transfer][data-name="${name}"][data-state=${state}]`);

    await send('one', 90_000_000);
    await row(bob, 'one', 'moving').waitFor();
    await row(ada, 'one', 'moving').getByRole('button', { name: 'Cancel one' }).click();
    await row(ada, 'one', 'stopped').waitFor();
    await row(bob, 'one', 'stopped').getByText('The sender cancelled').waitFor();

    await send('two', 90_000_000);
    await row(bob, 'two', 'moving').getByRole('button', { name: 'Cancel two' }).click();
    await row(ada, 'two', 'stopped').getByText('No one is receiving it any more').waitFor();

    await send('three', 100_000_001);
    await row(ada, 'three', 'stopped').getByText('the limit is 100 MB').waitFor();
    expect(await row(bob, 'three', 'stopped').count()).toBe(0);

    // A cancelled transfer does not block the next one, which is dropped on the call.
    await ada.page.locator('flotilla-call-view').evaluate((view) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([new Uint8Array(300_000)], 'four'));
      for (const type of ['dragenter', 'dragover', 'drop'])
        view.dispatchEvent(new DragEvent(type, { dataTransfer, cancelable: true }));
    });
    await row(bob, 'four', 'done').waitFor();
    await row(ada, 'four', 'done').getByText('Received').waitFor();
    for (const { problems } of [ada, bob]) expect(problems).toEqual([]);
    await Promise.all([ada.close(), bob.close()]);
  });
});
