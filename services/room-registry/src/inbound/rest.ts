import { type ApiKey, TokenIssuer } from '@flotilla/auth';
import {
  adminGrantScopes,
  AnnounceExperiment,
  type ApiKeyInfo,
  ApiScope,
  type BanList,
  type Canary as CanaryState,
  CreateRoom,
  DrainNode,
  errorCatalogue,
  ExperimentName,
  FlotillaError,
  firstIssue,
  GetTopology,
  grantsOfFleet,
  IssueFleetToken,
  IssueToken,
  type IssuedToken,
  isWellFormed,
  ListBans,
  ListParticipants,
  ListRooms,
  malformedText,
  mermaidType,
  MigrateParticipant,
  type Migration,
  newId,
  NodeId,
  type NodeStateChange,
  type NodeSummary,
  type Operations as OperationsState,
  ParticipantId,
  OrderCandidate,
  type ParticipantList,
  Drill,
  type DrillStarted,
  RemoveParticipant,
  restRoutes,
  Revoke,
  type Revoked,
  type Room,
  RoomRef,
  type RoomSummary,
  type RunningExperiment,
  SessionId,
  tenantOfRoom,
  UserId,
  userOfClaims,
} from '@flotilla/contracts';
import { CallRefused } from '@flotilla/resilience';
import { type Logger, StaticDocument } from '@flotilla/runtime';
import {
  All,
  type ArgumentsHost,
  Body,
  type CanActivate,
  Catch,
  Controller,
  Delete,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  HttpCode,
  HttpException,
  Inject,
  Param,
  type PipeTransform,
  Post,
  Query,
  Req,
  Res,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import type { z } from 'zod';
import { Canary } from '../canary.ts';
import { Nodes } from '../nodes.ts';
import { Operations } from '../operations.ts';
import { Migrations } from '../migrations/migrations.ts';
import { Drills } from '../drills.ts';
import { Revocations } from '../revocations.ts';
import { Rooms } from '../rooms.ts';
import { TopologySnapshot } from '../topology/topology-snapshot.ts';
import {
  ApiAccess,
  ApiKeyGuard,
  apiKeyOf,
  Audit,
  keyNameOf,
  methodsByPath,
  Public,
  requireScopes,
  Tenant,
} from './api-access.ts';
import { openApiDocument } from './openapi.ts';
import { markAge, StaleReads, WriteGuard } from './outage.ts';

/** Injection tokens of the REST side. */
export const REST_SETTINGS = Symbol('rest settings');
export interface RestSettings {
  readonly log: Logger;
}

/** Parses a part of a request by its schema. Throws BAD_PAYLOAD. */
class Parsed implements PipeTransform {
  constructor(private readonly schema: z.ZodType) {}

  transform(value: unknown): unknown {
    const parsed = this.schema.safeParse(value ?? {});
    if (!parsed.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(parsed.error));
    if (!isWellFormed(parsed.data)) throw new FlotillaError('BAD_PAYLOAD', malformedText);
    return parsed.data;
  }
}

/** Parses a path parameter. A value that cannot be an id is answered as an unknown id is. */
class PathParameter implements PipeTransform {
  constructor(
    private readonly schema: z.ZodType,
    private readonly code: 'ROOM_NOT_FOUND' | 'PARTICIPANT_NOT_FOUND' | 'NOT_FOUND',
  ) {}

  transform(value: unknown): unknown {
    const parsed = this.schema.safeParse(value);
    if (!parsed.success) throw new FlotillaError(this.code);
    return parsed.data;
  }
}

/** Who gives an order, for the log. */
const byKey = (response: Response): string => `API key ${apiKeyOf(response)?.name ?? 'none'}`;

/** A request with a key of a tenant is about its rooms and users only. */
type OfTenant = string | undefined;

const roomParam = new PathParameter(RoomRef, 'ROOM_NOT_FOUND');
const userParam = new PathParameter(UserId, 'NOT_FOUND');
const nodeParam = new PathParameter(NodeId, 'NOT_FOUND');

/** Refuses a body that is not JSON, which the body parser would leave unread. Throws UNSUPPORTED_MEDIA_TYPE. */
class JsonBodyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    const isEmpty = request.headers['content-length'] === '0';
    // Express returns null when the request has no body, false when the body has another type.
    if (isEmpty || request.is('application/json') !== false) return true;
    throw new FlotillaError('UNSUPPORTED_MEDIA_TYPE');
  }
}

/**
 * Answers every failure with `{error: {code, message}}` and the status of its code. Applies to the whole application, since
 * an unreadable body fails before a controller is chosen.
 */
@Catch()
export class RestErrors implements ExceptionFilter {
  constructor(
    @Inject(REST_SETTINGS) private readonly settings: RestSettings,
    @Inject(ApiAccess) private readonly access: ApiAccess,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const response = http.getResponse<Response>();
    const cause = fromHttp(error) ?? FlotillaError.from(error);
    if (cause.code === 'INTERNAL') this.settings.log.error({ err: cause.cause }, 'REST request failed');
    const failure = this.access.failed(http.getRequest<Request>(), response, cause);
    if (failure.code === 'RATE_LIMITED') response.set('Retry-After', '1');
    if (failure instanceof CallRefused) response.set('Retry-After', String(Math.ceil(failure.retryAfterMs / 1000)));
    response.status(errorCatalogue[failure.code].status).json({ error: failure.body });
  }
}

/** Errors of Nest and of the body parser that are the client's: unknown path, unreadable or too large body. */
function fromHttp(error: unknown): FlotillaError | undefined {
  const status = error instanceof HttpException ? error.getStatus() : statusOf(error);
  if (!(error instanceof Error) || status === undefined || status < 400 || status >= 500) return undefined;
  if (status === 404) return new FlotillaError('NOT_FOUND', error.message);
  if (status === 413) return new FlotillaError('BODY_TOO_LARGE');
  if (status === 415) return new FlotillaError('UNSUPPORTED_MEDIA_TYPE', error.message);
  return new FlotillaError('BAD_PAYLOAD', error.message, { cause: error });
}

/** The status that `http-errors`, which Express and its body parser throw, puts on an error. */
function statusOf(error: unknown): number | undefined {
  const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** The REST API for backends. `restRoutes` in the contracts is its table. */
@Controller()
@UseGuards(ApiKeyGuard, JsonBodyGuard, WriteGuard)
@UseInterceptors(Audit, StaleReads)
export class RestController {
  constructor(
    @Inject(Rooms) private readonly rooms: Rooms,
    @Inject(Migrations) private readonly migrations: Migrations,
    @Inject(Nodes) private readonly nodes: Nodes,
    @Inject(Canary) private readonly canary: Canary,
    @Inject(Drills) private readonly drills: Drills,
    @Inject(Revocations) private readonly revocations: Revocations,
    @Inject(TokenIssuer) private readonly tokens: TokenIssuer,
    @Inject(TopologySnapshot) private readonly snapshot: TopologySnapshot,
    @Inject(Operations) private readonly operations: Operations,
  ) {}

  @Post(restRoutes.createRoom.path)
  create(@Body(new Parsed(CreateRoom)) body: z.output<typeof CreateRoom>, @Tenant() tenant: OfTenant): Promise<Room> {
    return this.rooms.create(body, tenant);
  }

  @Get(restRoutes.listRooms.path)
  list(
    @Query(new Parsed(ListRooms)) query: z.output<typeof ListRooms>,
    @Tenant() tenant: OfTenant,
  ): Promise<{ rooms: RoomSummary[]; next: string | null }> {
    return this.rooms.list(query.limit, query.cursor, tenant);
  }

  @Get('/v1/rooms/:room')
  get(@Param('room', roomParam) room: string, @Tenant() tenant: OfTenant): Promise<RoomSummary> {
    return this.rooms.get(room, tenant);
  }

  @Delete('/v1/rooms/:room')
  @HttpCode(204)
  delete(@Param('room', roomParam) room: string, @Tenant() tenant: OfTenant): Promise<void> {
    return this.rooms.delete(room, tenant);
  }

  @Get('/v1/rooms/:room/participants')
  participants(
    @Param('room', roomParam) room: string,
    @Query(new Parsed(ListParticipants)) { cursor }: z.output<typeof ListParticipants>,
    @Tenant() tenant: OfTenant,
  ): Promise<ParticipantList> {
    return this.rooms.participants(room, cursor, tenant);
  }

  @Delete('/v1/rooms/:room/participants/:participant')
  @HttpCode(204)
  remove(
    @Param('room', roomParam) room: string,
    @Param('participant', new PathParameter(ParticipantId, 'PARTICIPANT_NOT_FOUND')) participant: string,
    @Query(new Parsed(RemoveParticipant)) { banSeconds }: z.output<typeof RemoveParticipant>,
    @Tenant() tenant: OfTenant,
  ): Promise<void> {
    return this.rooms.remove(room, participant, banSeconds, tenant);
  }

  @Get('/v1/rooms/:room/bans')
  bans(
    @Param('room', roomParam) room: string,
    @Query(new Parsed(ListBans)) { limit, cursor }: z.output<typeof ListBans>,
    @Tenant() tenant: OfTenant,
  ): Promise<BanList> {
    return this.rooms.bans(room, limit, cursor, tenant);
  }

  @Delete('/v1/rooms/:room/bans/:user')
  @HttpCode(204)
  liftBan(
    @Param('room', roomParam) room: string,
    @Param('user', userParam) user: string,
    @Tenant() tenant: OfTenant,
  ): Promise<void> {
    return this.rooms.liftBan(room, user, tenant);
  }

  @Delete('/v1/sessions/:session')
  @HttpCode(204)
  revokeSession(
    @Param('session', new PathParameter(SessionId, 'NOT_FOUND')) session: string,
    @Tenant() tenant: OfTenant,
  ): Promise<void> {
    return this.revocations.session(session, tenant);
  }

  @Post('/v1/users/:user/revoke')
  @HttpCode(200)
  revokeUser(
    @Param('user', userParam) user: string,
    @Body(new Parsed(Revoke)) { issuedBefore }: z.output<typeof Revoke>,
    @Tenant() tenant: OfTenant,
  ): Promise<Revoked> {
    return this.revocations.user(user, tenant, issuedBefore);
  }

  @Post(restRoutes.revokeTokens.path)
  @HttpCode(200)
  revokeTokens(@Body(new Parsed(Revoke)) { issuedBefore }: z.output<typeof Revoke>): Promise<Revoked> {
    return this.revocations.tokens(issuedBefore);
  }

  @Post('/v1/rooms/:room/participants/:participant/migrate')
  @HttpCode(202)
  async migrate(
    @Param('room', roomParam) ref: string,
    @Param('participant', new PathParameter(ParticipantId, 'PARTICIPANT_NOT_FOUND')) participantId: string,
    @Body(new Parsed(MigrateParticipant)) { toNode }: z.output<typeof MigrateParticipant>,
  ): Promise<Migration> {
    const { roomId, sessionId } = await this.rooms.member(ref, participantId, undefined);
    return this.migrations.begin({ roomId, sessionId, toNode, reason: 'manual' });
  }

  @Post('/v1/rooms/:room/tokens')
  async issueToken(
    @Param('room', roomParam) ref: string,
    @Body(new Parsed(IssueToken)) body: z.output<typeof IssueToken>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<IssuedToken> {
    return this.#issue(body, ref, apiKeyOf(response));
  }

  @Post(restRoutes.issueFleetToken.path)
  async issueFleetToken(
    @Body(new Parsed(IssueFleetToken)) body: z.output<typeof IssueFleetToken>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<IssuedToken> {
    return this.#issue(body, body.room, apiKeyOf(response));
  }

  async #issue(
    request: z.output<typeof IssueToken>,
    ref: string | undefined,
    key: ApiKey | undefined,
  ): Promise<IssuedToken> {
    if (request.grants.includes('admin')) requireScopes(key, ...adminGrantScopes);
    const isOneRoom = ref !== undefined && ref !== '*';
    const room = isOneRoom ? (await this.rooms.get(ref, key?.tenant)).id : ref;
    // A key of the whole fleet admits users to a room of a tenant as users of this tenant.
    const tenant = isOneRoom && room !== undefined ? tenantOfRoom(room) : key?.tenant;
    const beyond = tenant === undefined ? [] : grantsOfFleet(request.grants);
    if (beyond.length > 0) throw new FlotillaError('FORBIDDEN', `users of a tenant cannot have the grant ${beyond[0]}`);
    const {
      name,
      grants,
      maxPublishBitrate,
      bridge,
      ttlSeconds,
      userId: sub = `guest-${newId('session').slice(3)}`,
    } = request;
    const userId = userOfClaims({ sub, tenant });
    const claims = { userId, name, room, grants, maxPublishBitrate, bridge, ttlSeconds };
    const { token, expiresAt } = await this.tokens.issue(claims);
    return { token, userId, ...(isOneRoom && { roomId: room }), expiresAt: expiresAt.toISOString() };
  }

  @Get(restRoutes.listNodes.path)
  async listNodes(): Promise<{ nodes: NodeSummary[] }> {
    return { nodes: await this.nodes.list() };
  }

  @Post('/v1/nodes/:node/cordon')
  @HttpCode(200)
  cordon(@Param('node', nodeParam) node: string): Promise<NodeStateChange> {
    return this.nodes.setState(node, 'cordoned');
  }

  @Post('/v1/nodes/:node/uncordon')
  @HttpCode(200)
  uncordon(@Param('node', nodeParam) node: string): Promise<NodeStateChange> {
    return this.nodes.setState(node, 'active');
  }

  @Post('/v1/nodes/:node/drain')
  @HttpCode(200)
  drain(
    @Param('node', nodeParam) node: string,
    @Body(new Parsed(DrainNode)) { drainSeconds }: z.output<typeof DrainNode>,
  ): Promise<NodeStateChange> {
    return this.nodes.setState(node, 'draining', drainSeconds);
  }

  @Get(restRoutes.getCanary.path)
  getCanary(): Promise<CanaryState> {
    return this.canary.state();
  }

  @Post(restRoutes.promoteCanary.path)
  @HttpCode(202)
  promoteCanary(
    @Body(new Parsed(OrderCandidate)) { candidate }: z.output<typeof OrderCandidate>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CanaryState> {
    return this.canary.order('promote', byKey(response), candidate);
  }

  @Post(restRoutes.evacuateCanary.path)
  @HttpCode(202)
  evacuateCanary(
    @Body(new Parsed(OrderCandidate)) { candidate }: z.output<typeof OrderCandidate>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CanaryState> {
    return this.canary.order('evacuate', byKey(response), candidate);
  }

  @Post(restRoutes.resetCanary.path)
  @HttpCode(202)
  resetCanary(@Res({ passthrough: true }) response: Response): Promise<CanaryState> {
    return this.canary.order('reset', byKey(response));
  }

  @Post(restRoutes.drill.path)
  @HttpCode(202)
  drill(@Body(new Parsed(Drill)) drill: Drill, @Res({ passthrough: true }) response: Response): Promise<DrillStarted> {
    return this.drills.begin(drill, byKey(response));
  }

  @Get(restRoutes.getTopology.path)
  async topology(
    @Query(new Parsed(GetTopology)) query: z.output<typeof GetTopology>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const wantsMermaid = request.accepts(['application/json', mermaidType]) === mermaidType;
    const { format = wantsMermaid ? 'mermaid' : 'json' } = query;
    const client = keyNameOf(response);
    const snapshot = await (format === 'json' ? this.snapshot.read(client) : this.snapshot.mermaid(client));
    response.vary('Accept');
    markAge(response, snapshot);
    response.type(format === 'json' ? 'json' : mermaidType).send(snapshot.text);
  }

  @Get(restRoutes.getOperations.path)
  getOperations(): Promise<OperationsState> {
    return this.operations.state();
  }

  /** Sent as it is, so that it is not kept for other keys. */
  @Get(restRoutes.getApiKey.path)
  getApiKey(@Res() response: Response): void {
    const key = apiKeyOf(response);
    const info: ApiKeyInfo = key ? { name: key.name, scopes: [...key.scopes] } : { scopes: [...ApiScope.options] };
    response.json(info);
  }

  @Post(restRoutes.announceExperiment.path)
  announceExperiment(
    @Body(new Parsed(AnnounceExperiment)) body: z.output<typeof AnnounceExperiment>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RunningExperiment> {
    return this.operations.announce(body, byKey(response));
  }

  @Delete('/v1/experiments/:experiment')
  @HttpCode(204)
  endExperiment(
    @Param('experiment', new PathParameter(ExperimentName, 'NOT_FOUND')) experiment: string,
  ): Promise<void> {
    return this.operations.end(experiment);
  }

  @Get('/v1/openapi.json')
  @Public
  openApi(@Req() request: Request, @Res() response: Response): void {
    this.#openApi.answer(request, response);
  }
  readonly #openApi = new StaticDocument(openApiDocument);

  /** Declared last: reached by methods that no handler above serves. */
  @All([...methodsByPath.keys()])
  @Public
  otherMethod(@Req() request: Request, @Res({ passthrough: true }) response: Response): never {
    const { path } = request.route as { path: string };
    response.set('Allow', (methodsByPath.get(path) ?? []).join(', '));
    throw new FlotillaError('METHOD_NOT_ALLOWED');
  }
}
