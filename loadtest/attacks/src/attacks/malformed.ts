import { envelopeAbuses, frameAbuses, RawFrames, withToken } from '@flotilla/testkit';
import { type Attack, attackerAddress, closedUnanswered } from '../attacker.ts';

export const damagedFrames: Attack = {
  name: 'damaged-frames',
  about: '8 connections at a time send frames that RFC 6455 or the limits do not allow',
  expected: [
    ...Object.keys(frameAbuses).map((code) => `close ${code}`),
    // The reset after bytes that nobody read may destroy the close frame.
    closedUnanswered,
    'HTTP 429 RATE_LIMITED',
  ],
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    const abuses = Object.values(frameAbuses).flatMap((each) => Object.values<readonly Buffer[]>(each));
    let next = 0;
    await attacker.repeat(8, async () => {
      const headers = withToken(await attacker.api.issueToken(room));
      const raw = await RawFrames.upgraded(attacker.target.gatewayUrl, headers, attackerAddress);
      for (const bytes of abuses[next++ % abuses.length]!) raw.write(bytes);
      const code = await raw.closeCode();
      attacker.count(code === 1006 ? closedUnanswered : `close ${code}`);
      raw.destroy();
    });
  },
};

export const damagedEnvelopes: Attack = {
  name: 'damaged-envelopes',
  about: '8 sessions send JSON that aims at prototypes, parsers or limits',
  expected: [
    ...['ok', 'RATE_LIMITED', 'HTTP 429 RATE_LIMITED', 'close 4429'],
    ...Object.values(envelopeAbuses('room:a')).flatMap(([, code]) => code ?? []),
  ],
  streams: 1,
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    const texts = Object.values(envelopeAbuses(`room:${room}`)).map(([text]) => text);
    await attacker.repeat(8, async () => {
      const client = await attacker.enter(room);
      let next = 0;
      await attacker.flood(client, () => texts[next++ % texts.length]!, { inFlight: 10 });
    });
  },
};
