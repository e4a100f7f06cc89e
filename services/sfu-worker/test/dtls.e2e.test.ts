import { launchBrowser, notYet, waitFor } from '@flotilla/testkit';
import { createWorker } from 'mediasoup';
import type { WebRtcTransport } from 'mediasoup/types';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';

/** The answer of an ICE-lite server that accepts one data channel: enough for a DTLS handshake with a browser. */
function answerOf({ iceParameters, iceCandidates, dtlsParameters }: WebRtcTransport): string {
  const fingerprint = dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=ice-lite',
    'a=group:BUNDLE 0',
    'm=application 7 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 127.0.0.1',
    'a=mid:0',
    'a=sctp-port:5000',
    `a=ice-ufrag:${iceParameters.usernameFragment}`,
    `a=ice-pwd:${iceParameters.password}`,
    `a=fingerprint:sha-256 ${fingerprint!.value}`,
    'a=setup:passive',
    ...iceCandidates.map(
      ({ foundation, priority, address, port, protocol, tcpType }) =>
        `a=candidate:${foundation} 1 ${protocol} ${priority} ${address} ${port} typ host${tcpType ? ` tcptype ${tcpType}` : ''}`,
    ),
    'a=end-of-candidates',
    '',
  ].join('\r\n');
}

/** Connects the page to the transport. Resolves to the state of its connection: connected or failed. */
async function connectFrom(page: Page, transport: WebRtcTransport): Promise<string> {
  const offer = await page.evaluate(async () => {
    const connection = new RTCPeerConnection();
    Object.assign(globalThis, { connection });
    connection.createDataChannel('hello');
    await connection.setLocalDescription();
    return connection.localDescription!.sdp;
  });
  const fingerprint = /a=fingerprint:sha-256 (\S+)/.exec(offer)![1]!;
  await transport.connect({
    dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] },
  });
  return page.evaluate(async (sdp) => {
    const { connection } = globalThis as unknown as { connection: RTCPeerConnection };
    const settled = new Promise<string>((resolve) => {
      connection.addEventListener('connectionstatechange', () => {
        if (['connected', 'failed'].includes(connection.connectionState)) resolve(connection.connectionState);
      });
    });
    await connection.setRemoteDescription({ type: 'answer', sdp });
    return settled;
  }, answerOf(transport));
}

// A worker linked with Debian's OpenSSL crashed here before its fix; see tools/mediasoup-worker/README.md.
test.each([
  ['UDP', { enableUdp: true, enableTcp: false }],
  ['TCP', { enableUdp: false, enableTcp: true }],
])('the media worker survives ten DTLS handshakes with a browser over %s', async (_protocol, transports) => {
  const worker = await createWorker();
  const died: Error[] = [];
  worker.on('died', (error) => died.push(error));
  const browser = await launchBrowser();
  try {
    const router = await worker.createRouter();
    const webRtcServer = await worker.createWebRtcServer({
      listenInfos: [
        { protocol: 'udp', ip: '127.0.0.1' },
        { protocol: 'tcp', ip: '127.0.0.1' },
      ],
    });
    const page = await browser.newPage();
    for (let handshake = 1; handshake <= 10; handshake++) {
      const transport = await router.createWebRtcTransport({ webRtcServer, enableSctp: true, ...transports });
      expect(await connectFrom(page, transport), `handshake ${handshake}`).toBe('connected');
      await waitFor('the server side', () => transport.dtlsState === 'connected' || notYet(transport.dtlsState));
      transport.close();
    }
    expect(died).toEqual([]);
    await expect(worker.getResourceUsage()).resolves.toHaveProperty('ru_utime');
  } finally {
    await browser.close();
    worker.close();
  }
});
