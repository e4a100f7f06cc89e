import { CallPage, launchBrowser, newPeerRoom } from '@flotilla/testkit';
import { test } from 'vitest';
import { fleet, standalone } from '../src/index.ts';
declare const flotilla: any;
test('stress', async () => {
  const [topology, browser] = await Promise.all([process.env['ON_FLEET'] ? fleet() : standalone(), launchBrowser()]);
  let log: string[] = [];
  const newContext = browser.newContext.bind(browser);
  let who = 0;
  (browser as any).newContext = async (o: any) => {
    const context = await newContext(o);
    const me = `p${++who}`;
    context.on('page', (page) => page.on('websocket', (ws) => {
      const note = (dir: string) => ({ payload }: any) => {
        const m = JSON.parse(payload);
        if (m.type === 'negotiate' || m.type === 'negotiation') log.push(`${Date.now() % 100000} ${me} ${dir} ${m.id ?? ''} ${m.payload.kind} ${m.payload.candidate?.candidate ?? (m.payload.streams ? m.payload.streams.map((s: any) => `${s.mid}${s.kind}`).join(',') : '')} ${(m.payload.sdp ?? '').length} ${/a=ice-ufrag:(\S+)/.exec(m.payload.sdp ?? '')?.[1] ?? m.payload.candidate?.usernameFragment ?? ''}`);
        else if (m.replyTo && (m.payload?.state || !m.ok)) log.push(`${Date.now() % 100000} ${me} reply ${m.replyTo} ${m.payload?.state ?? JSON.stringify(m.error)}`);
        else if (m.type?.startsWith('part')) log.push(`${Date.now() % 100000} ${me} ${m.type}`);
      };
      ws.on('framesent', note('sent')); ws.on('framereceived', note('got'));
    }));
    return context;
  };
  try {
    for (let round = 1; round <= 25; round++) {
      const room = await newPeerRoom(topology);
      log = []; who = 0;
      const ada = await CallPage.join(browser, topology.pageUrl, { room, name: 'ada' });
      const bob = await CallPage.join(browser, topology.pageUrl, { room, name: 'bob' });
      const began = performance.now();
      try {
        await Promise.all([ada.hearsAndSees('bob', 9000), bob.hearsAndSees('ada', 9000)]);
        console.log(`round ${round}: ${Math.round(performance.now() - began)} ms glare ${log.filter((l) => l.includes('GLARE')).length}, p2 candidates ${log.filter((l) => l.includes('p2 sent') && l.includes(' candidate ')).length}`);
      } catch (error) {
        console.log(`round ${round} FAILED ${(error as Error).message}`);
        for (const { page, name } of [ada, bob]) console.log(name, await page.evaluate(() => JSON.stringify({ me: flotilla.room.me.id, state: flotilla.room.peers?.link?.state, mine: [...flotilla.room.publications.values()].map((p: any) => [p.kind, p.track?.readyState]), theirs: [...flotilla.room.participants.values()].map((p: any) => [p.id, [...p.publications.values()].map((q: any) => [q.kind, q.track?.readyState, q.track?.muted])]) })));
        console.log(log.join('\n'));
        break;
      } finally { await ada.close(); await bob.close(); }
    }
  } finally { await browser.close(); await topology.stop(); }
}, 400_000);
