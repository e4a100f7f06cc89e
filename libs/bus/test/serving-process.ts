// Serves a queue of commands as a process of its own, so that a test can stop it with signals. Arguments: URL, namespace, node id.
import { CommandBus, RabbitMqCommandTransport } from '@flotilla/bus';
import { sfuQueue } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';

const [url, namespace, nodeId] = process.argv.slice(2) as [string, string, string];
const log = createLogger({ service: nodeId, level: 'error' });
const bus = new CommandBus(await RabbitMqCommandTransport.connect({ url, namespace, log }), log);
await bus.serve(sfuQueue(nodeId), 'exclusive', { 'sfu.ping': async () => ({}) });
console.log('serving');
