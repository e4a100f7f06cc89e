import { setTimeout as pause } from 'node:timers/promises';
import { migrationLingerMs, type RoomEventPayload } from '@flotilla/contracts';
import { LightPeer } from '@flotilla/light-peer';
import { Child } from '@flotilla/processes';
import { notYet, RawClient, type Topology, waitFor } from '@flotilla/testkit';

export interface Check {
  readonly name: string;
  /** Why it failed. */
  readonly problem?: string;
}

export interface ClientCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly room: string;
  readonly cwd?: string;
  /** Called with each line that the client writes. */
  readonly onLine?: (line: string) => void;
}

/** Time for the client to start, join and publish, in milliseconds. */
const joinMs = 30_000;
/** Time for a migration with what follows, and for leaving, in milliseconds. */
const stepMs = 15_000;

/**
 * Runs a client's command and checks, as other participants of its room see it, that it joins, publishes, is moved between SFU nodes
 * and leaves. Yields each check; the first that fails is the last. The topology needs two SFU nodes.
 */
export async function* checkClient(topology: Topology, client: ClientCommand): AsyncGenerator<Check> {
  const { api, signalUrls } = topology;
  const { command, args, room, cwd, onLine } = client;
  const [url] = signalUrls as [string];
  const observer = new RoomObserver(await RawClient.connect(url, { token: await api.issueToken(room) }));
  await observer.join(room);
  const listener = await LightPeer.join({ url, token: await api.issueToken(room), room, publish: ['audio'] });
  const own = ['--server', url, '--room', room, '--token', await api.issueToken(room, { userId })];
  const child = new Child('client', command, [...args, ...own], { ...(cwd && { cwd }), ...(onLine && { onLine }) });
  let participantId = '';

  const packetsArrive = async (): Promise<void> => {
    const published = observer.publicationsOf(participantId);
    const before = new Map(listener.takeReceived().map(({ publicationId, packets }) => [publicationId, packets]));
    await waitFor(
      'packets of every publication',
      () => {
        const now = listener.takeReceived();
        for (const id of published)
          if ((now.find(({ publicationId }) => publicationId === id)?.packets ?? 0) <= (before.get(id) ?? 0))
            notYet(`none of ${id} arrive`);
      },
      { timeoutMs: stepMs },
    );
  };
  const move = async (): Promise<void> => {
    const published = observer.publicationsOf(participantId);
    const path = `/v1/rooms/${room}/participants/${participantId}/migrate`;
    const { status, body } = await api.request('POST', path, {});
    if (status !== 202) throw new Error(`the migration did not begin: ${status} ${JSON.stringify(body)}`);
    await observer.moved(participantId, (body as { id: string }).id);
    // From here on, packets can only come from the new node.
    await pause(migrationLingerMs);
    const after = observer.publicationsOf(participantId);
    const missing = published.filter((id) => !after.includes(id));
    if (missing.length > 0) throw new Error(`these publications ended: ${missing.join(', ')}`);
    await packetsArrive();
  };

  const checks: readonly (readonly [name: string, check: () => Promise<void>])[] = [
    ['joins', async () => void (participantId = await observer.joined(userId))],
    [
      'publishes',
      async () => {
        await observer.published(participantId);
        await packetsArrive();
      },
    ],
    ['is moved', move],
    ['is moved back', move],
    [
      'leaves at SIGTERM',
      async () => {
        child.signal('SIGTERM');
        await observer.left(participantId);
        await waitFor('the end of its process', () => child.ended || notYet('it runs'), { timeoutMs: stepMs });
      },
    ],
  ];
  try {
    for (const [name, check] of checks) {
      try {
        await check();
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        yield {
          name,
          problem: child.ended ? `${problem}\nthe client ended:\n${child.lines.slice(-20).join('\n')}` : problem,
        };
        return;
      }
      yield { name };
    }
  } finally {
    await child.stop();
    listener.close();
    observer.close();
  }
}

const userId = 'client-under-test';

/** A participant without media, that keeps the room's state by its events. */
class RoomObserver {
  constructor(private readonly client: RawClient) {}

  async join(room: string): Promise<void> {
    await this.client.welcome();
    const reply = await this.client.request('join', { room });
    if (!reply.ok) throw new Error(`not joined: ${JSON.stringify(reply.error)}`);
  }

  close(): void {
    this.client.close();
  }

  #payloads<T extends 'participant_joined' | 'publication_added' | 'publication_removed'>(
    type: T,
  ): RoomEventPayload<T>[] {
    return this.client.events
      .filter((event) => event.type === type)
      .map(({ payload }) => payload as RoomEventPayload<T>);
  }

  joined(user: string): Promise<string> {
    const find = (): string =>
      this.#payloads('participant_joined').find(({ participant }) => participant.userId === user)?.participant.id ??
      notYet('no participant has the user id of its token');
    return waitFor('participant_joined', find, { timeoutMs: joinMs });
  }

  publicationsOf(participantId: string): string[] {
    const removed = new Set(this.#payloads('publication_removed').map(({ publicationId }) => publicationId));
    return this.#payloads('publication_added')
      .filter(({ publication }) => publication.participantId === participantId && !removed.has(publication.id))
      .map(({ publication }) => publication.id);
  }

  async published(participantId: string): Promise<void> {
    const check = (): boolean => this.publicationsOf(participantId).length > 0 || notYet('it has no publication');
    await waitFor('publication_added', check, { timeoutMs: joinMs });
  }

  /** Rejects after `stepMs`: others are not notified of a rollback. */
  async moved(participantId: string, migrationId: string): Promise<void> {
    await this.#event('participant_moved', { participantId, migrationId });
  }

  async left(participantId: string): Promise<void> {
    await this.#event('participant_left', { participantId });
  }

  async #event(type: string, fields: Readonly<Record<string, string>>): Promise<void> {
    await waitFor(
      type,
      () =>
        this.client.events.some(
          (event) =>
            event.type === type && Object.entries(fields).every(([field, value]) => event.payload[field] === value),
        ) || notYet('there is no such event'),
      { timeoutMs: stepMs },
    );
  }
}
