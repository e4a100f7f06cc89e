import { closeCodes } from '@flotilla/contracts';
import { expect } from 'vitest';
import { enter, notYet, RawClient, waitFor } from '@flotilla/testkit';
import { HonestPair } from './honest-pair.ts';
import type { HostileScenario } from './hostile-frames.ts';

/** Waits for the close code of a client, for as long as a heartbeat timeout. */
const closeCode = (client: RawClient, withinMs: number): Promise<number> =>
  Promise.race([
    client.closed.then(({ code }) => code),
    new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error(`it is still open after ${withinMs} ms`)), withinMs).unref(),
    ),
  ]);

/** Clients that open a session and then do not read. */
export const hostileClients: readonly HostileScenario[] = [
  {
    title:
      'a client that does not read is closed once 1 MiB is unsent to it, and may resume after the last event it received',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async () => {
        // Several rooms and senders, as the bytes of each are limited, and the kernel's buffers are filled first.
        const senders: { client: RawClient; room: string }[] = [];
        const slow = await RawClient.connect(topology.signalUrls[0]!, {
          token: await topology.api.issueFleetToken({}),
        });
        for (let count = 0; count < 4; count++) {
          const room = await topology.api.newRoom('slow');
          expect(await slow.request('join', { room })).toMatchObject({ ok: true });
          for (let index = 0; index < 3; index++) senders.push({ client: await enter(topology, room), room });
        }
        const { resumeToken } = await slow.welcome();
        slow.socket.pause();
        const data = 'x'.repeat(16_000);
        let sent = 0;
        await waitFor(
          'the slow reader is disconnected',
          async () => {
            await Promise.all(senders.map(({ client, room }) => client.request('message', { data }, `room:${room}`)));
            sent += senders.length;
            // To resume would close the connection as replaced: the topology shows whether it is connected.
            const listed = await topology.api.request('GET', '/v1/topology');
            const { vertices } = listed.body as { vertices: { id: string; connected?: boolean }[] };
            const { sessionId } = await slow.welcome();
            if (vertices.find(({ id }) => id === sessionId)?.connected !== false)
              notYet(`it is connected after ${sent} messages of 16 KB`);
          },
          { timeoutMs: 30_000, everyMs: 30 },
        );
        report(`disconnected after ${sent} messages of 16 KB`);
        slow.socket.resume();
        // The close frame is queued behind the unread messages; the socket is destroyed 2 s later.
        expect([closeCodes.SLOW_CONSUMER, 1006]).toContain(await closeCode(slow, 10_000));
        const back = await RawClient.resume(topology.signalUrls[0]!, resumeToken);
        const seen = slow.events.findLast(({ type }) => type === 'message');
        const address = seen?.to ?? '';
        const reply = await back.request('resume', { offsets: seen?.seq ? { [address]: seen.seq } : {} });
        expect(reply).toMatchObject({ ok: true });
        for (const client of [...senders.map((each) => each.client), back]) client.close();
      }),
  },
];

/** Clients that open a session and then neither answer nor request. They are waited for. */
export const silentClients: readonly HostileScenario[] = [
  {
    title: 'a client that answers no ping is closed after three, one that sends no request after 30 s',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const token = (): Promise<string> => topology.api.issueToken(pair.room);
        const url = topology.signalUrls[0]!;
        const [silent, idle, quiet] = [
          await RawClient.connect(url, { token: await token(), autoPong: false }),
          await RawClient.connect(url, { token: await token() }),
          await RawClient.connect(url, { token: await token() }),
        ];
        // It answers pings and has sent a request: it may send nothing from then on.
        await quiet.request('ping');
        const began = performance.now();
        expect(await closeCode(silent, 25_000)).toBe(closeCodes.HEARTBEAT_MISSED);
        const silentMs = performance.now() - began;
        expect(await closeCode(idle, 45_000)).toBe(closeCodes.HANDSHAKE_TIMEOUT);
        report(
          `silent closed after ${Math.round(silentMs)} ms, idle after ${Math.round(performance.now() - began)} ms`,
        );
        expect(await quiet.request('ping')).toMatchObject({ ok: true });
        quiet.close();
      }),
  },
];
