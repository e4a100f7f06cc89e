/** Entry point of a client process, with its sessions on both sides. */
import { tokenConfig, TokenIssuer, tokenSettings } from '@flotilla/auth';
import { SessionPool } from './session-pool.ts';
import { serve } from './rpc-child.ts';
import { type PoolCalls, type PoolTick, type Side, sides } from './protocol.ts';

const pools = new Map<Side, SessionPool>();
const pool = (side: Side): SessionPool => pools.get(side)!;

serve<PoolCalls>(
  {
    begin: (settings) => {
      const config = tokenConfig.parse({ FLOTILLA_TOKEN_SECRET: settings.tokenSecret });
      pools.set('flotilla', new SessionPool('flotilla', settings, new TokenIssuer(tokenSettings(config))));
      pools.set('bare', new SessionPool('bare', settings, undefined));
    },
    enter: ({ side, concurrency }) => pool(side).enter(concurrency),
    play: (how) => pool(how.side).play(how),
    verify: (side) => pool(side).verify(),
    leave: ({ side, concurrency }) => pool(side).leave(concurrency),
  },
  () => {
    const reports = sides.map((side) => {
      const { joined = 0, tally } = pools.get(side) ?? {};
      return [side, { joined, tally: tally?.take() ?? { times: {}, counts: {} } }];
    });
    return { sides: Object.fromEntries(reports) as PoolTick['sides'] };
  },
);
