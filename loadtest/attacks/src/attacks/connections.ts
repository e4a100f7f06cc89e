import { setTimeout as pause } from 'node:timers/promises';
import { resumeSubprotocolPrefix, subprotocol } from '@flotilla/contracts';
import { RawFrames } from '@flotilla/testkit';
import { type Attack, attackerAddress, closedUnanswered, forgedToken } from '../attacker.ts';

const heldSockets = 2000;

export const halfOpenSockets: Attack = {
  name: 'half-open-sockets',
  about: `one address opens sockets until ${heldSockets} are open, sends half a request on each, and opens those that are closed again`,
  expected: ['held open', 'HTTP 408', closedUnanswered],
  run: async (attacker) => {
    const held = new Set<RawFrames>();
    await attacker.repeat(20, async () => {
      if (held.size >= heldSockets) return pause(100);
      const raw = await RawFrames.open(attacker.target.gatewayUrl, attackerAddress);
      held.add(raw);
      raw.write(`GET ${raw.url.pathname} HTTP/1.1\r\nHost: ${raw.url.host}\r\n`);
      raw.socket.once('close', () => {
        if (held.delete(raw)) attacker.count(raw.status === undefined ? closedUnanswered : `HTTP ${raw.status}`);
      });
      raw.socket.once('end', () => raw.destroy());
      await pause(5);
    });
    attacker.count('held open', held.size);
    for (const raw of [...held]) {
      held.delete(raw);
      raw.destroy();
    }
  },
};

export const handshakes: Attack = {
  name: 'handshakes',
  about: 'one address asks for upgrades with a forged token, 20 at a time',
  expected: ['HTTP 401 TOKEN_INVALID', 'HTTP 429 RATE_LIMITED', closedUnanswered],
  run: (attacker) =>
    attacker.repeat(20, async () => {
      const client = await attacker.connect({ protocols: [subprotocol, forgedToken] });
      attacker.count('admitted');
      client.close();
    }),
};

export const resumes: Attack = {
  name: 'resumes',
  about: '8 sessions are cut off and resumed again and again, and a spent resume token is tried each time',
  expected: ['ok', 'RATE_LIMITED', 'HTTP 401 SESSION_EXPIRED', 'HTTP 429 RATE_LIMITED', closedUnanswered],
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    await attacker.repeat(8, async () => {
      let client = await attacker.enter(room);
      while (!attacker.over) {
        const { resumeToken } = await client.welcome();
        client.socket.terminate();
        const resume = () => attacker.connect({ protocols: [subprotocol, `${resumeSubprotocolPrefix}${resumeToken}`] });
        client = await resume();
        const reply = await client.request('resume', { offsets: {} });
        attacker.count(reply.error?.code ?? 'ok');
        await resume().then(
          () => attacker.count('resumed twice'),
          (error: unknown) => attacker.countError(error),
        );
      }
      client.close();
    });
  },
};
