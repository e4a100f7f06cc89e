import { RawClient } from './raw-client.ts';
import { gatewayUrl, type Topology } from './topology.ts';

/** Connects a client to a gateway and joins a room. `parameters` are parameters of its token. Its first reply is the one to the join. */
export async function enter(
  topology: Topology,
  room: string,
  gateway = 0,
  parameters: Parameters<Topology['api']['issueToken']>[1] = {},
): Promise<RawClient> {
  const token = await topology.api.issueToken(room, parameters);
  const client = await RawClient.connect(gatewayUrl(topology, gateway), { token });
  await client.event('welcome');
  const reply = await client.request('join', { room });
  if (!reply.ok) throw new Error(`not joined: ${JSON.stringify(reply)}`);
  return client;
}
