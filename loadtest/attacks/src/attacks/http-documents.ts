import { Agent, get } from 'node:http';
import { type Attack, attackerAddress } from '../attacker.ts';

const parallel = 20;

export const httpDocuments: Attack = {
  name: 'http-documents',
  about: `${parallel} connections fetch /v1/asyncapi.json again and again, without a token`,
  expected: ['HTTP 200', 'HTTP 429'],
  run: async (attacker) => {
    const agent = new Agent({ keepAlive: true, maxSockets: parallel, localAddress: attackerAddress });
    const url = new URL('/v1/asyncapi.json', attacker.target.gatewayUrl);
    await attacker.repeat(parallel, async () => {
      const status = await new Promise<number>((resolve, reject) => {
        get(url, { agent }, (response) => {
          response.on('end', () => resolve(response.statusCode!)).on('error', reject);
          response.resume();
        }).on('error', reject);
      });
      attacker.count(`HTTP ${status}`);
    });
    agent.destroy();
  },
};
