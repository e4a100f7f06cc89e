import { type RedisAccess, RedisAccessBuilder } from '@flotilla/bus/events';
import type { Store } from '../store.ts';
import { type KeyName, keyPattern } from './keys.ts';
import { scriptAccess } from './script-access.ts';
import type { ScriptName } from './scripts/generated/scripts.ts';

type Part = Exclude<keyof Store, 'topology' | 'pulse' | 'problem' | 'close'>;
/** A method of the store, such as `rooms.join`. */
export type StoreMethod = { [P in Part]: `${P}.${keyof Store[P] & string}` }[Part] | 'topology' | 'pulse';

type Commands = Partial<Record<KeyName, readonly string[]>>;

interface Method {
  readonly scripts?: readonly ScriptName[];
  /** Plain commands, by key. */
  readonly keys?: Commands;
  /** Methods that it calls. */
  readonly calls?: readonly StoreMethod[];
}

const newestEvent = { events: ['XREVRANGE'] } as const;

/** What each method does in Redis. */
const methods: Readonly<Record<StoreMethod, Method>> = {
  'rooms.create': { scripts: ['createRoom'], calls: ['rooms.delete'] },
  'rooms.get': { keys: { room: ['GET'], members: ['HLEN'] } },
  'rooms.list': { keys: { rooms: ['ZRANGEBYLEX'] }, calls: ['rooms.get'] },
  'rooms.delete': { scripts: ['deleteRoom'] },
  'rooms.join': { scripts: ['join', 'orderMembers'] },
  'rooms.firstPage': { scripts: ['roomPage', 'orderMembers'] },
  'rooms.nextPage': { scripts: ['roomPage', 'orderMembers'] },
  'rooms.leave': { scripts: ['leave'] },
  'rooms.remove': { scripts: ['leave'] },
  'rooms.requireBridge': { scripts: ['requireBridge'] },
  'rooms.liftBan': { keys: { bans: ['ZREM'] } },
  'rooms.bans': { scripts: ['listBans'] },
  'rooms.reassign': { scripts: ['reassign'] },
  'rooms.describeMedia': { scripts: ['describeMedia'] },
  'rooms.linkRelay': { scripts: ['linkRelay'] },
  'rooms.linkedRelay': { keys: { linkedRelays: ['HGET'] } },
  'rooms.state': {
    keys: {
      ...newestEvent,
      room: ['GET'],
      members: ['HVALS'],
      publications: ['HVALS'],
      reconnecting: ['SMEMBERS'],
      upgraded: ['EXISTS'],
      migrations: ['HVALS'],
    },
  },
  'rooms.member': { keys: { members: ['HGET'] } },
  'rooms.absent': { keys: { members: ['HMGET'] } },
  'rooms.reconnecting': { keys: { reconnecting: ['SMEMBERS'] } },
  'rooms.memberAt': { keys: { ...newestEvent, members: ['HGET'] } },
  'rooms.putPublication': { scripts: ['putPublication'] },
  'rooms.removePublication': { scripts: ['removePublication'] },
  'rooms.pair': { keys: { room: ['GET'], upgraded: ['EXISTS'], members: ['HGET'], pairs: ['HGET'] } },
  'rooms.putPair': { scripts: ['putPair'] },
  'rooms.publications': { keys: { publications: ['HMGET'] } },
  'rooms.deleteExpired': { scripts: ['expiredRooms', 'deleteRoom'], keys: { emptyRooms: ['ZADD'] } },
  'rooms.repair': { scripts: ['repairRoom', 'orderMembers'], keys: { rooms: ['ZRANGEBYLEX'] } },

  'sessions.requireOpenable': { scripts: ['isOpenable'] },
  'sessions.open': { scripts: ['openSession'] },
  'sessions.refresh': { scripts: ['refreshSession'] },
  'sessions.revokeTokens': { scripts: ['revokeTokens'] },
  'sessions.ofUser': { keys: { userSessions: ['SMEMBERS'] } },
  'sessions.issuedBefore': { keys: { issued: ['ZRANGEBYSCORE'] } },
  'sessions.count': { keys: { issued: ['ZCARD'] } },
  'sessions.sendToUser': { scripts: ['sendToUser'] },
  'sessions.messagesToUser': { scripts: ['messagesToUser'] },
  'sessions.get': { keys: { session: ['HGETALL'], sessionRooms: ['SMEMBERS'] } },
  'sessions.detach': { scripts: ['detachSession'] },
  'sessions.resume': { scripts: ['resumeSession'] },
  'sessions.confirmResume': { scripts: ['confirmResume'] },
  'sessions.connectedTo': { keys: { gatewaySessions: ['SCARD', 'SMEMBERS'], session: ['HGET'] } },
  'sessions.isResumable': { scripts: ['isResumable'] },
  'sessions.close': { scripts: ['closeSession'] },
  'sessions.revoke': { scripts: ['closeSession'] },
  'sessions.closeExpired': { scripts: ['closeSession'] },
  'sessions.gatewayAlive': { scripts: ['gatewayAlive'] },
  'sessions.reattach': { scripts: ['reattachSessions'] },
  'sessions.detachOrphaned': { scripts: ['deadGateways', 'detachOrphaned'] },
  'sessions.due': { scripts: ['dueSessions'] },

  'nodes.report': { scripts: ['reportNode'] },
  'nodes.get': { keys: { nodes: ['HGET'] } },
  'nodes.list': { scripts: ['listNodes'] },
  'nodes.aliveIds': { keys: { beats: ['ZRANGE'] } },
  'nodes.deadOf': { keys: { beats: ['ZRANGE', 'ZMSCORE'] } },
  'nodes.repair': { scripts: ['repairNodes'] },
  'nodes.remove': { scripts: ['removeNode'] },

  'relays.report': { scripts: ['reportRelay'] },
  'relays.list': { scripts: ['listRelays'] },
  'relays.remove': { scripts: ['removeRelay'] },
  'relays.assign': { calls: ['relays.list'], keys: { roomRelay: ['GET', 'SET'] } },
  'relays.retain': { scripts: ['retain'] },
  'relays.forget': { keys: { retained: ['HDEL'] } },
  'relays.retained': { keys: { retained: ['HVALS'] } },
  'relays.barred': { keys: { barred: ['ZRANGE'] } },

  'migrations.begin': { scripts: ['beginMigration'] },
  'migrations.prepared': { scripts: ['prepareMigration'] },
  'migrations.commit': { scripts: ['commitMigration'] },
  'migrations.rollBack': { scripts: ['rollBackMigration'] },
  'migrations.reassignLost': { scripts: ['reassign'] },
  'migrations.of': { keys: { migrations: ['HGET'] } },
  'migrations.running': { scripts: ['dropMigration'], keys: { running: ['ZRANGE'] }, calls: ['migrations.of'] },

  'history.report': { scripts: ['reportMigration'] },
  'history.recent': { keys: { history: ['HVALS'] } },

  'leases.acquire': { scripts: ['acquireLease'] },
  'leases.renew': { scripts: ['renewLease'] },
  'leases.release': { scripts: ['releaseLease'] },

  'breakers.report': { scripts: ['reportBreakers'] },
  'breakers.list': { scripts: ['listBreakers'] },
  'canary.read': { keys: { canary: ['HMGET'] } },
  'canary.write': { scripts: ['writeCanary'] },
  'canary.order': { scripts: ['orderCanary'] },
  'canary.remove': { scripts: ['removeCanary'] },
  'operations.recordScaling': { scripts: ['recordScaling'] },
  'operations.scalings': { keys: { scalings: ['ZRANGE'] } },
  'operations.announce': { scripts: ['announceExperiment'] },
  'operations.end': { keys: { experiments: ['HDEL'] } },
  'operations.experiments': { scripts: ['listExperiments'] },
  'snapshots.lock': { scripts: ['lockSnapshot'] },
  'snapshots.renew': { scripts: ['renewSnapshotLock'] },
  'snapshots.unlock': { scripts: ['unlockSnapshot'] },
  'snapshots.read': { scripts: ['readSnapshot'] },
  'snapshots.write': { scripts: ['writeSnapshot'] },

  topology: {
    calls: ['nodes.list', 'history.recent', 'breakers.list', 'canary.read'],
    keys: {
      peerScores: ['HMGET'],
      gateways: ['ZRANGE'],
      gatewaySessions: ['SCARD', 'SSCAN'],
      rooms: ['ZRANGEBYLEX'],
      room: ['GET'],
      members: ['HLEN'],
      assignments: ['HGETALL'],
      upgraded: ['EXISTS'],
      pairs: ['HGETALL'],
      detached: ['ZRANGEBYSCORE'],
      session: ['HMGET'],
      sessionRooms: ['SMEMBERS'],
    },
  },
  pulse: { calls: ['nodes.list', 'history.recent', 'breakers.list', 'canary.read'] },
};

/** What a user of Redis needs to call these methods of the store. */
export function storeAccess(names: readonly StoreMethod[]): RedisAccess {
  const access = new RedisAccessBuilder();
  for (const name of names) {
    const { scripts = [], keys = {}, calls = [] } = methods[name];
    for (const [key, commands] of Object.entries(keys)) access.allow(commands, keyPattern(key as KeyName));
    for (const script of scripts) access.add(scriptAccess(script));
    access.add(storeAccess(calls));
  }
  return access;
}
