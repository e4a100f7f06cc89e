/** Entry point of the process that attacks, apart from the one that measures. */
import { endTransports } from '@flotilla/light-peer';
import { Attacker, type Target } from './attacker.ts';
import { attacks } from './attacks/index.ts';

export interface Order {
  readonly attack: string;
  readonly target: Target;
  readonly seconds: number;
}

/** Answers that the attacker got, by number; with the error of an attack that could not run. */
export interface Outcome {
  readonly answers: readonly (readonly [answer: string, count: number])[];
  readonly error?: string;
}

process.once('message', ({ attack, target, seconds }: Order) => {
  const attacker = new Attacker(target, seconds);
  const done = (error?: Error): void => {
    const outcome: Outcome = { answers: [...attacker.answers], ...(error !== undefined && { error: error.message }) };
    process.send!(outcome, () => {
      endTransports();
      process.exit();
    });
  };
  attacks
    .find(({ name }) => name === attack)!
    .run(attacker)
    .then(() => done(), done);
});
