// Documents and modules that are generated from the code. `npm run generate` writes them, lint checks that they are up to date.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isBuilt } from './setup/build.mjs';
import { childEnv, dependenciesInstalled, installDependencies } from './setup/dependencies.mjs';
import { runWithHelp } from './setup/help.mjs';
import { root, run, SetupError, step } from './setup/steps.mjs';
import { withBrokerUsers } from './generate/broker-users.mjs';
import { withGrants } from './generate/authorization.mjs';
import { withExperiments } from './generate/experiments.mjs';
import { licensesPage } from './generate/licenses.mjs';
import { withMetadataExamples } from './generate/metadata-examples.mjs';
import { withTranscript } from './generate/transcript.mjs';

/** @param {string} path relative to the checkout */
const read = (path) => readFileSync(join(root, path), 'utf8');

/**
 * The documents: path and content. Imports packages late, because they are not installed or built in a fresh checkout.
 * @returns {Promise<Record<string, string>>}
 */
async function documents() {
  const [{ z }, { withChartValues }] = await Promise.all([import('zod'), import('./generate/chart-values.mjs')]);
  const [
    contracts,
    backplane,
    dataChannel,
    { describeConfig, serverLimitsConfig },
    registry,
    gateway,
    sfu,
    relay,
    autoscaler,
    console_,
    mediaEdge,
    observability,
    chaos,
  ] = await Promise.all([
    import('@flotilla/contracts'),
    import('@flotilla/backplane'),
    import('@flotilla/data-channel'),
    import('@flotilla/runtime'),
    import('@flotilla/room-registry'),
    import('@flotilla/signaling-gateway'),
    import('@flotilla/sfu-worker'),
    import('@flotilla/metadata-relay'),
    import('@flotilla/autoscaler'),
    import('@flotilla/console'),
    import('@flotilla/media-edge'),
    import('@flotilla/observability'),
    import('@flotilla/chaos'),
  ]);
  const { asyncApiDocument, errorCatalogue, closeCodes, closeCodeMeanings } = contracts;
  const brokers = {
    'redis-users.acl': backplane.redisAclTemplate(),
    'rabbitmq-definitions.json': backplane.rabbitMqDefinitionsTemplate(),
  };
  return {
    '.env.example': envExample(z, describeConfig, {
      'Room registry': registry.registryConfig,
      'Signaling gateway': gateway.gatewayConfig,
      'SFU worker': sfu.sfuWorkerConfig,
      'Metadata relay': relay.metadataRelayConfig,
      Autoscaler: autoscaler.autoscalerConfig,
      Console: console_.consoleConfig,
      'Media edge': mediaEdge.mediaEdgeConfig,
    }),
    'docs/asyncapi.json': `${JSON.stringify(asyncApiDocument(), null, 2)}\n`,
    'docs/authorization.md': withGrants(read('docs/authorization.md'), contracts),
    'docs/errors.md': errorsPage(errorCatalogue, closeCodes, closeCodeMeanings),
    'docs/licenses.md': licensesPage(root),
    'docs/limits.md': limitsPage(gateway, gateway.edgeConfig, serverLimitsConfig),
    'docs/protocol.md': withTranscript(read('docs/protocol.md'), JSON.parse(read('docs/protocol-transcript.json'))),
    'docs/protocol-metadata.md': withMetadataExamples(read('docs/protocol-metadata.md'), contracts, dataChannel),
    'chaos/README.md': withExperiments(read('chaos/README.md'), chaos),
    'charts/flotilla/README.md': withChartValues(
      read('charts/flotilla/README.md'),
      read('charts/flotilla/values.yaml'),
    ),
    // Helm reads only files of the chart.
    ...Object.fromEntries(
      ['deploy/brokers', 'charts/flotilla/files'].flatMap((folder) =>
        Object.entries(brokers).map(([file, content]) => [`${folder}/${file}`, content]),
      ),
    ),
    'deploy/brokers/redis-users-with-sentinels.acl': backplane.watchedRedisAclTemplate(),
    'deploy/brokers/sentinel-users.acl': backplane.sentinelAclTemplate(),
    'docs/kubernetes/broker-users.md': withBrokerUsers(read('docs/kubernetes/broker-users.md'), backplane),
    ...observability.generatedFiles(),
    'docs/openapi.json': `${JSON.stringify(registry.openApiDocument(), null, 2)}\n`,
  };
}

/**
 * The generated modules: path and content. The build needs them.
 * @returns {Promise<Record<string, string>>}
 */
async function modules() {
  const { redisScripts } = await import('./generate/redis-scripts.mjs');
  return {
    'libs/store/src/redis/scripts/generated/scripts.ts': redisScripts(),
    'libs/data-channel/src/generated/metadata_pb.ts': await metadataFrames(),
  };
}

/** Generates the types of libs/data-channel/proto with protoc-gen-es. */
async function metadataFrames() {
  const out = mkdtempSync(join(tmpdir(), 'flotilla-frames-'));
  try {
    const { code, output } = await run('buf', ['generate', '--output', out], {
      cwd: join(root, 'libs', 'data-channel'),
      env: childEnv(),
    });
    if (code !== 0) throw new SetupError(`buf generate failed:\n${output}`);
    return readFileSync(join(out, 'src', 'generated', 'metadata_pb.ts'), 'utf8');
  } finally {
    rmSync(out, { recursive: true });
  }
}

/** @typedef {import('zod').ZodObject} ConfigSchema */

/**
 * @param {typeof import('zod').z} z
 * @param {typeof import('@flotilla/runtime').describeConfig} describeConfig
 * @param {Record<string, ConfigSchema>} schemas
 */
function envExample(z, describeConfig, schemas) {
  const seen = new Set();
  const sections = Object.entries(schemas).map(([title, schema]) => {
    const own = Object.fromEntries(
      Object.entries(schema.shape).filter(([key, setting]) => {
        const text = describeConfig(z.object({ [key]: setting }));
        return !seen.has(text) && seen.add(text);
      }),
    );
    // This default depends on the machine.
    const text = describeConfig(z.object(own)).replace(/^(# FLOTILLA_(?:SFU_WORKERS|INSTANCE)=).*$/gm, '$1');
    return `## ${title}\n\n${text}\n`;
  });
  return `# Generated from the services' schemas by \`npm run generate\`. A setting of several services is listed once, and again where its meaning
# or default differs.
# Commented out: the default. A service refuses FLOTILLA_* variables it doesn't know.

${sections.join('\n')}`;
}

/**
 * @param {typeof import('@flotilla/signaling-gateway')} limits
 * @param {ConfigSchema} config
 * @param {ConfigSchema} serverConfig of the other HTTP servers
 */
function limitsPage(limits, config, serverConfig) {
  const { limitsTable, requestCosts, costPerPublication, costPerRoom, bytesPerCost, eventsOf } = limits;
  const shown = (/** @type {string} */ value) =>
    value.replace(/FLOTILLA_\w+/, (name) => {
      const unit = name.endsWith('_MS') ? ' ms' : name.endsWith('_SECONDS') ? ' s' : '';
      const preset = `${config.shape[name]?.parse(undefined)}${unit}`;
      return value === name ? `${preset} (\`${name}\`)` : `\`${name}\` (${preset})`;
    });
  const serverPreset = (/** @type {string} */ name) => `${serverConfig.shape[name]?.parse(undefined)} (\`${name}\`)`;
  const costs = Map.groupBy(Object.entries(requestCosts), ([, cost]) => cost);
  const costRows = [...costs]
    .toSorted(([a], [b]) => b - a)
    .map(([cost, requests]) => `| ${cost} | ${requests.map(([type]) => `\`${type}\``).join(', ')} |`);
  const rows = limitsTable.map(
    ({ of, value, answer, metric }) =>
      `| ${of} | ${shown(value)} | ${answer} | ${metric
        .split(', ')
        .map((name) => (name === 'none' ? '' : `\`${name}\``))
        .join('<br>')} |`,
  );
  const roomRate = Number(config.shape['FLOTILLA_ROOM_BYTES_PER_SECOND']?.parse(undefined));
  const perSecond = (/** @type {number} */ bytes, /** @type {number} */ participants) =>
    Math.floor(roomRate / limits.fanOutBytes(bytes, participants));
  const chatBytes = 200;
  return `# Limits

Generated from \`services/signaling-gateway\` by \`npm run generate\`.

Every resource that a client can use has a limit. The table lists each with its default, the answer at the limit, and the
metric that counts such answers. [errors.md](errors.md) explains the error codes. \`FLOTILLA_*\` are settings of the gateway.

| limit of | value | answer at the limit | metric |
| --- | --- | --- | --- |
${rows.join('\n')}

## Costs

A request takes as many messages of the limit per second as it costs. Each publication that it names adds ${costPerPublication}, each room that a \`resume\` restores ${costPerRoom}, and each ${bytesPerCost} bytes add 1.
The bytes are paid before the frame is read. The refusal of a frame above 1 KiB names the request in \`replyTo\` if \`id\` is the first field of the message.

| cost | requests |
| --- | --- |
${costRows.join('\n')}

## Large rooms

A message takes its bytes with the envelope, and ${limits.frameOverheadBytes} for its frame. In a room of n participants in the fleet, more than ${limits.receiversPerRate}, it takes n / ${limits.receiversPerRate}
times as much, so that what its receivers are sent does not grow with the room. The number of participants may be 5 s old. A call is lively when each of
3 participants sends 20 messages per second, or each of 3,000 one in three minutes, and 60 of those react at once; messages have ${chatBytes} bytes:

| participants | needed per second | admitted per second at one gateway | at once |
| --- | --- | --- | --- |
| 3 | 60 | ${perSecond(chatBytes, 3)} | ${limits.roomBurstSeconds * perSecond(chatBytes, 3)} |
| 3,000 | 17 | ${perSecond(chatBytes, 3000)} | ${limits.roomBurstSeconds * perSecond(chatBytes, 3000)} |

Of a burst, senders above their own part leave a quarter to the others. The part is 1/64 of the rate, of a session in all its rooms, or of a user for messages
outside rooms. A message that takes more than the part at once is above it, unless it has at most ${limits.chatTextBytes} bytes with its envelope: such a text takes the whole
part then, so that a sender can write every ${limits.roomBurstSeconds} s, in a room of any size, while a few others send as much as they can. A message takes at most half of a burst, and a
text of that size at most a quarter.

Events of a room count as well where a client can repeat them: ${eventsOf.mute} for \`mute\`, ${eventsOf.publish} for \`publish\`, with the end of the publication, and ${eventsOf.join} for \`join\`, with the
leave that follows. \`unpublish\` and \`leave\` are never refused for it. Nothing is counted for a \`publish\` or \`mute\` that does not reach its SFU node (\`UNAVAILABLE\`,
\`NODE_UNAVAILABLE\`), nor for a \`join\` that the room refuses, such as \`ROOM_FULL\` and \`NO_CAPACITY\`. Each session has ${limits.ownEventsPerSecond} events per second and ${limits.ownEventBurst} at once for itself (${limits.resumedEventBurst} at once
after a resume). A participant that joins, publishes microphone, camera and screen, and switches the microphone each second, as with push-to-talk, stays below them in a call of any size.
Above them, the sessions of a gateway share a rate of the room, as large as that of its messages: ${perSecond(limits.eventBytes, 3)} events per second in a room of 3, ${perSecond(limits.eventBytes, 3000)} in a
room of 3,000.

## Other HTTP servers

The room registry, the console and the media edge limit what reaches them before they know the client, by settings of their own:

| limit of | value | answer at the limit | metric |
| --- | --- | --- | --- |
| Connections from one address | ${serverPreset('FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS')} | the connection is closed without an answer, before TLS | \`http_connections_refused_total{reason="limited"}\` |
| New connections from one address, per second (bursts of ten times as many) | ${serverPreset('FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS')} | the same | \`http_connections_refused_total{reason="limited"}\` |
| HTTP requests from one address without a valid API key, per second (bursts of ten times as many) | ${serverPreset('FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS')} | HTTP 429 \`RATE_LIMITED\` with \`Retry-After\` | \`http_requests_refused_total{reason="RATE_LIMITED"}\` |
| Entries through an open console from one address, per second (bursts of ten times as many) | 5 (\`entriesPerSecond\`) | HTTP 429 \`RATE_LIMITED\` with \`Retry-After\` | \`http_requests_refused_total{reason="RATE_LIMITED"}\` |
| Time to the header fields of an HTTP request, and to all of it | 10 s; 30 s | HTTP 408, and the connection is closed | |
| Time without a request on a connection, of a trusted proxy and of others | 620 s; 5 s | the connection is closed | |

A request of the REST API is refused with 401 or 403 before its body is read, which counts as one without a valid API key. With a valid key, the limit
of that key applies alone ([API keys](authorization.md#api-keys)), however many requests come from its address. WHIP and WHEP have
[further limits](whip.md#limits). Standalone is limited as a gateway is; without API keys it serves its own machine only, without these limits.
Health and metrics ports have no limits: keep them inside the cluster.

## Addresses

An address is the client's; of IPv6, its /64 network. Behind a proxy or load balancer a service knows it only with \`FLOTILLA_TRUSTED_PROXIES\`, see
[transport.md](transport.md). Without that setting, all clients share the load balancer's address and its limits.
`;
}

/**
 * @param {Readonly<Record<string, { status: number, retry: boolean, meaning: string, cure: string }>>} catalogue
 * @param {Readonly<Record<string, number>>} closeCodes
 * @param {Readonly<Record<string, string>>} meanings
 */
function errorsPage(catalogue, closeCodes, meanings) {
  const rows = Object.entries(catalogue).map(
    ([code, { status, retry, meaning, cure }]) =>
      `| \`${code}\` | ${status} | ${retry ? 'yes' : 'no'} | ${meaning} | ${cure} |`,
  );
  const closes = Object.entries(closeCodes).map(([name, code]) => `| ${code} | \`${name}\` | ${meanings[name]} |`);
  return `# Errors

Generated from \`libs/contracts\` by \`npm run generate\`.

A request that fails is answered with a code and a sentence: over the WebSocket as \`{replyTo, ok: false, error: {code,
message}}\`, over REST and at a refused upgrade as \`{error: {code, message}}\` with the HTTP status of the table. *Retry* says
whether the same request may succeed later without a change.

| code | HTTP status | retry | meaning | cure |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

## Close codes

Why the gateway closes a WebSocket (RFC 6455, section 7.4).

| code | name | meaning |
| --- | --- | --- |
${closes.join('\n')}
`;
}

/** Returns the paths of documents that differ from what the code generates. */
export async function staleDocuments() {
  const wanted = { ...(await modules()), ...(await documents()) };
  return Object.entries(wanted).flatMap(([path, content]) =>
    existsSync(join(root, path)) && read(path) === content ? [] : [path],
  );
}

/** @param {Record<string, string>} files */
function write(files) {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
    console.log(`wrote ${path}`);
  }
}

const usage = `npm run generate

Writes the documents and modules that are generated from the code. Lint checks that they are up to date.

  --help   this text
`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runWithHelp(usage, async () => {
    if (!dependenciesInstalled()) await step('Installing packages', installDependencies);
    write(await modules());
    if (!isBuilt()) await step('Building', build);
    write(await documents());
    return 0;
  });
}
