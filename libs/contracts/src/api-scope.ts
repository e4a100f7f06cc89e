import { z } from 'zod';

export const ApiScope = z
  .enum(['read', 'rooms', 'tokens', 'operate', 'faults'])
  .describe(
    'What an API key allows. `read`: reading rooms, nodes, the topology and the state for operators. `rooms`: creating and deleting rooms, removing and banning participants. `tokens`: issuing join tokens. `operate`: nodes, migrations and revocations. `faults`: drills, and announcing chaos experiments.',
  );
export type ApiScope = z.infer<typeof ApiScope>;

/** A token with the grant `admin` drills and watches the fleet: its issuer needs these scopes as well as `tokens`. */
export const adminGrantScopes: readonly ApiScope[] = ['operate', 'faults'];
