
import { CallPage, launchBrowser, newPeerRoom } from '@flotilla/testkit';
import { test } from 'vitest';
import { standalone } from '../src/index.ts';
declare const flotilla: any; declare const seen: any;
test('gap', async () => {
  const [topology, browser] = await Promise.all([standalone(), launchBrowser()]);
  const room = await newPeerRoom(topology);
  const ada = await CallPage.join(browser, topology.pageUrl, { room, name: 'ada' });
  const bob = await CallPage.join(browser, topology.pageUrl, { room, name: 'bob' });
  await Promise.all([ada.hearsAndSees('bob'), bob.hearsAndSees('ada')]);
  for (const { page } of [ada, bob]) await page.evaluate(() => {
    const all = (root: any): any[] => [...root.querySelectorAll('*')].flatMap((e: any) => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
    const video = all(document).find((e) => e instanceof HTMLVideoElement && e.dataset['publication'] !== undefined);
    const log: string[] = [];
    (globalThis as any).seen = log;
    const t0 = performance.now();
    flotilla.room.on('mediaModeChanged', () => log.push(`${Math.round(performance.now() - t0)} mode`));
    flotilla.room.on('trackChanged', (p: any) => log.push(`${Math.round(performance.now() - t0)} track ${p.kind}`));
    let last = performance.now();
    const on = (now: number, meta: any) => { if (now - last > 120) log.push(`${Math.round(now - t0)} gap ${Math.round(now - last)} w${meta.width}`); last = now; video.requestVideoFrameCallback(on); };
    video.requestVideoFrameCallback(on);
  });
  const cleo = await CallPage.join(browser, topology.pageUrl, { room, name: 'cleo' });
  await Promise.all([cleo.hearsAndSees('ada'), ada.hearsAndSees('cleo')]);
  await ada.page.waitForTimeout(3000);
  for (const { page, name } of [ada, bob]) console.log(name, await page.evaluate(() => seen));
  await browser.close(); await topology.stop();
});
