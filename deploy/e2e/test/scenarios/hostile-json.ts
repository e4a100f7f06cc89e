import { expect } from 'vitest';
import { enter, envelopeAbuses, envelopeMark } from '@flotilla/testkit';
import { HonestPair, withinRate } from './honest-pair.ts';
import type { HostileScenario } from './hostile-frames.ts';

export const hostileJson: readonly HostileScenario[] = [
  {
    title:
      'JSON that aims at prototypes, parsers or limits is refused or treated as plain data, and shows in no answer to others',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const clean = await pair.plainAnswers();
        const client = await enter(topology, pair.room);
        const answers: Record<string, string> = {};
        const expected: Record<string, string> = {};
        for (const [name, [text, code]] of Object.entries(envelopeAbuses(`room:${pair.room}`))) {
          const { ok, error } = await withinRate(() => client.sendRaw(text));
          answers[name] = ok ? 'ok' : (error?.code ?? 'no code');
          expected[name] = code ?? 'ok';
        }
        expect(answers).toEqual(expected);
        const replies = JSON.stringify(client.replies);
        expect(replies).not.toContain(envelopeMark);
        const shape = (text: string): string => text.replaceAll(/"replyTo":"r\d+"/g, '');
        expect(shape(await pair.plainAnswers())).toBe(shape(clean));
        client.close();
      }),
  },
];
