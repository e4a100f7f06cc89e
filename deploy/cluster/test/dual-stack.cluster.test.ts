import { install, servicePorts } from '@flotilla/cluster';
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { Call } from './call.ts';
import { Figures } from './figures.ts';
import { allowAll, allowOnly } from './firewall.ts';
import { restApi, settled } from './fleet.ts';

describe('with IPv4 and IPv6 addresses of the SFU workers announced', () => {
  const figures = new Figures();
  let call: Call | undefined;

  beforeAll(async () => {
    await install({}, ['--set', 'sfu.dualStack=true', '--set', 'relay.dualStack=true']);
    await settled();
  });
  afterEach(async () => {
    await allowAll();
    await call?.end();
  });
  afterAll(() => install());

  test('participants whose media cannot use IPv4 receive each other by IPv6, and after a migration', async () => {
    await allowOnly({ tcp: Object.values(servicePorts) });
    call = await Call.start('ipv6');
    const api = await restApi();
    await call.during(figures, 'media by IPv6 alone, until a participant is migrated', () => call!.migrate(api));
  });
});
