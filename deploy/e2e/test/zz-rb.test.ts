import { launchBrowser } from '@flotilla/testkit';
import { test } from 'vitest';
test('rb', async () => {
  const browser = await launchBrowser();
  const run = async (delay: number, second: boolean, addTrack: boolean, kick: string) => { const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  const page = await context.newPage();
  await page.goto('data:text/html,<p>x'); const r = await page.evaluate(async ([delayMs, again, asTracks, kickHow]) => {
    const out: string[] = [];
    const canvas = document.createElement('canvas'); canvas.getContext('2d'); 
    const track = () => (canvas as any).captureStream(10).getVideoTracks()[0];
    const config = kickHow.includes('pool') ? { iceCandidatePoolSize: 1 } : {}; const a = new RTCPeerConnection(), b = new RTCPeerConnection(config);
    const wait = (ms: any) => new Promise((r) => setTimeout(r, ms));
    let bc = 0;
    const toB: any[] = [];
    a.onicecandidate = ({ candidate }) => { toB.push(candidate); if (b.remoteDescription) void b.addIceCandidate(candidate!).catch(() => 0); };
    b.onicecandidate = ({ candidate }) => { if (candidate) bc++; void a.addIceCandidate(candidate!).catch(() => 0); };
    if (asTracks) { a.addTrack(track()); b.addTrack(track()); } else { a.addTransceiver(track(), { direction: 'sendonly' }); b.addTransceiver(track(), { direction: 'sendonly' }); if (kickHow.includes('two')) { const au = new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0]!; a.addTransceiver(au, { direction: 'sendonly' }); b.addTransceiver(au, { direction: 'sendonly' }); } }
    await a.setLocalDescription();
    if (delayMs === -2) { /* no rollback */ }
    else if (delayMs === -1) { const p = b.setLocalDescription(); const q = b.setRemoteDescription(a.localDescription!); await p; await q; }
    else { await b.setLocalDescription(); await wait(delayMs); }
    if (delayMs !== -1) await b.setRemoteDescription(a.localDescription!);
    for (const c of toB) await b.addIceCandidate(c).catch(() => 0);
    let answer: any; await b.setLocalDescription(); answer = b.localDescription; let pend: any; if (kickHow.includes('now')) pend = b.setLocalDescription();
    await a.setRemoteDescription(answer); await pend;
    if (kickHow.includes('restart')) b.restartIce();
    if (again) { if (!kickHow.includes('now')) await b.setLocalDescription(); await a.setRemoteDescription(b.localDescription!); await a.setLocalDescription(); await b.setRemoteDescription(a.localDescription!); }
    await wait(1500);
    const r = `delay ${delayMs} again ${again} tracks ${asTracks} kick ${kickHow}: a ${a.connectionState}/${a.iceGatheringState} b ${b.connectionState}/${b.iceConnectionState}/${b.iceGatheringState} b candidates ${bc}`;
    a.close(); b.close();
    return r;
  }, [delay, second, addTrack, kick] as const); await context.close(); return r; };
  for (const kick of ['', 'now', 'two now', 'two pool now', 'two now restart']) for (const delay of [-1, 0, 20]) for (let n = 0; n < 2; n++) console.log(await run(delay, true, false, kick));
  await browser.close();
}, 100_000);
