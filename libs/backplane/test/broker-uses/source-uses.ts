import { API, type Symbol } from 'typescript/unstable/sync';
import {
  type CallExpression,
  type Expression,
  isCallExpression,
  isIdentifier,
  isImportDeclaration,
  isImportSpecifier,
  isInterfaceDeclaration,
  isMethodSignatureDeclaration,
  isNamedImports,
  isPropertyAccessExpression,
  isPropertySignatureDeclaration,
  isTypeReferenceNode,
  type Node,
} from 'typescript/unstable/ast';
import { SourceProgram, walk } from './program.ts';

/** What a use is, as in `brokerUses`. */
export type UseKind = 'store' | 'commands.calls' | 'commands.serves' | `streams.${'subscribes' | 'reads' | 'appends'}`;

/** One use of a broker in the source of a service. */
export interface SourceUse {
  readonly kind: UseKind;
  /** A method of the store, the first word of a queue, or the pattern of a stream. Undefined when the source does not say it. */
  readonly name: string | undefined;
  /** `path:line`. */
  readonly at: string;
}

/** Libraries that carry the uses out, and those that cannot have any. */
const notSearched = /^libs\/(bus|store|backplane|contracts|runtime|testkit|processes)\//;
const storePort = 'libs/store/src/store.ts';
const streamMethods: Readonly<Record<string, UseKind>> = {
  append: 'streams.appends',
  appendNext: 'streams.appends',
  readAfter: 'streams.reads',
  lastOffset: 'streams.reads',
  subscribe: 'streams.subscribes',
};
const commandMethods: Readonly<Record<string, UseKind>> = { call: 'commands.calls', serve: 'commands.serves' };
/** Part of the store's port, and not of what a user is permitted. */
const unpermitted = new Set(['problem', 'close']);

/**
 * Finds what the services at these folders, relative to the root of the workspace, use of the brokers: in their own source and in the
 * files of libraries that it imports from.
 */
export function sourceUses(root: string, folders: readonly string[]): Map<string, SourceUse[]> {
  const api = new API({ cwd: root });
  try {
    const configs = folders.map((folder) => `${root}/${folder}/tsconfig.json`);
    const snapshot = api.updateSnapshot({ openProjects: configs });
    return new Map(
      folders.map((folder, nth) => {
        const project = snapshot.getProject(configs[nth]!);
        if (!project) throw new Error(`${configs[nth]} is not a project`);
        return [folder, new UseSearch(new SourceProgram(project, root)).inService(folder)];
      }),
    );
  } finally {
    api.close();
  }
}

class UseSearch {
  readonly #uses: SourceUse[] = [];
  /** The parts of the store by the name of their interface, such as `rooms` of `RoomStore`. */
  readonly #parts = new Map<string, string>();
  readonly #storeMethods = new Set<string>();

  constructor(private readonly program: SourceProgram) {
    this.#readStorePort();
  }

  inService(folder: string): SourceUse[] {
    const files = this.program.files().filter((path) => path.startsWith(`${folder}/src/`));
    const seen = new Set(files);
    for (const path of files) {
      const file = this.program.file(path)!;
      walk(file, (node) => this.#visit(node));
      for (const imported of this.#importedFiles(file)) {
        if (seen.has(imported)) continue;
        seen.add(imported);
        files.push(imported);
      }
    }
    return this.#uses;
  }

  #readStorePort(): void {
    const port = this.program.file(storePort);
    for (const statement of port?.statements ?? []) {
      if (!isInterfaceDeclaration(statement) || statement.name.text !== 'Store') continue;
      for (const member of statement.members) {
        if (isMethodSignatureDeclaration(member)) this.#storeMethods.add(member.name.getText());
        if (!isPropertySignatureDeclaration(member) || !member.type || !isTypeReferenceNode(member.type)) continue;
        this.#parts.set(member.type.typeName.getText(), member.name.getText());
        const type = this.program.checker.getTypeFromTypeNode(member.type)!;
        for (const { name } of this.program.checker.getPropertiesOfType(type)) this.#storeMethods.add(name);
      }
    }
  }

  /** Files with a declaration that a file imports. Index files re-export far more than a service uses, so they are not followed. */
  *#importedFiles(file: Node): Generator<string> {
    const names: Node[] = [];
    file.forEachChild((statement) => {
      if (!isImportDeclaration(statement)) return;
      const named = statement.importClause?.namedBindings;
      if (named && isNamedImports(named))
        names.push(...named.elements.filter(isImportSpecifier).map(({ name }) => name));
    });
    for (const symbol of names.map((name) => this.program.symbolOf(name))) {
      for (const handle of symbol?.declarations ?? []) {
        const path = this.program.pathOf(handle);
        if (/^libs\/[^/]+\/src\//.test(path) && !notSearched.test(path)) yield path;
      }
    }
  }

  #visit(node: Node, at?: string): void {
    if (isPropertyAccessExpression(node)) {
      if (this.#storeMethods.has(node.name.text))
        this.#addStoreUse(this.program.checker.getSymbolAtLocation(node.name), at ?? this.program.position(node.name));
      this.#visitHandedOver(node);
    }
    if (isIdentifier(node)) this.#visitHandedOver(node);
    if (isCallExpression(node)) this.#visitCall(node, at);
  }

  /** A part of the store where a service's own interface is expected: all methods of that interface are used. */
  #visitHandedOver(node: Expression): void {
    const { checker } = this.program;
    const part = this.program.isHandedOver(node) && checker.getTypeAtLocation(node)?.getSymbol()?.name;
    const name = part && this.#parts.get(part);
    const expected = name && this.program.expectedType(node);
    if (!expected) return;
    for (const method of checker.getPropertiesOfType(expected)) {
      const owner = this.program.interfaceOf(method);
      if (owner !== undefined && !this.#parts.has(owner))
        this.#uses.push({ kind: 'store', name: `${name}.${method.name}`, at: this.program.position(node) });
    }
  }

  #visitCall(call: CallExpression, at = this.program.position(call)): void {
    const { expression: callee, arguments: args } = call;
    if (isPropertyAccessExpression(callee)) {
      const method = callee.name.text;
      const kind = streamMethods[method] ?? commandMethods[method];
      if (!kind) return;
      const owner = this.program.interfaceOf(this.program.checker.getSymbolAtLocation(callee.name));
      if (owner !== (Object.hasOwn(streamMethods, method) ? 'EventLog' : 'CommandBus')) return;
      const text = args[0] && this.program.textPattern(args[0]);
      this.#uses.push({ kind, name: kind.startsWith('commands') ? text?.split('.', 1)[0] : text, at });
      return;
    }
    const called = this.program.calledFunction(callee);
    if (called?.body && this.program.position(called).startsWith('libs/bus/src/events/'))
      walk(called.body, (node) => this.#visit(node, at));
  }

  #addStoreUse(symbol: Symbol | undefined, at: string): void {
    const owner = this.program.interfaceOf(symbol);
    if (symbol === undefined || owner === undefined) return;
    const part = this.#parts.get(owner);
    if (part !== undefined) this.#uses.push({ kind: 'store', name: `${part}.${symbol.name}`, at });
    else if (owner === 'Store' && !unpermitted.has(symbol.name))
      this.#uses.push({ kind: 'store', name: symbol.name, at });
  }
}
