/** A process with some thousand sessions on either side. */
import { tokenConfig, TokenIssuer, tokenSettings } from '@flotilla/auth';
import { Crowd } from './crowd.ts';
import { serve } from './helper.ts';
import { type CrowdCalls, type CrowdTick, type Side, sides } from './protocol.ts';

const crowds = new Map<Side, Crowd>();
const crowd = (side: Side): Crowd => crowds.get(side)!;

serve<CrowdCalls>(
  {
    begin: (settings) => {
      const config = tokenConfig.parse({ FLOTILLA_TOKEN_SECRET: settings.tokenSecret });
      crowds.set('flotilla', new Crowd('flotilla', settings, new TokenIssuer(tokenSettings(config))));
      crowds.set('bare', new Crowd('bare', settings, undefined));
    },
    enter: ({ side, atOnce }) => crowd(side).enter(atOnce),
    play: (how) => crowd(how.side).play(how),
    verify: (side) => crowd(side).verify(),
    leave: ({ side, atOnce }) => crowd(side).leave(atOnce),
  },
  () => {
    const told = sides.map((side) => {
      const { held = 0, tally } = crowds.get(side) ?? {};
      return [side, { held, tally: tally?.take() ?? { times: {}, counts: {} } }];
    });
    return { sides: Object.fromEntries(told) as CrowdTick['sides'] };
  },
);
