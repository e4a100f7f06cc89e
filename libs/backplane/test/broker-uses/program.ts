import { relative } from 'node:path';
import type { NodeHandle, Project, Symbol, Type } from 'typescript/unstable/sync';
import {
  type Expression,
  type FunctionDeclaration,
  isArrowFunction,
  isCallExpression,
  isClassDeclaration,
  isFunctionDeclaration,
  isIdentifier,
  isImportSpecifier,
  isInterfaceDeclaration,
  isNewExpression,
  isNoSubstitutionTemplateLiteral,
  isObjectLiteralExpression,
  isPropertyAssignment,
  isShorthandPropertyAssignment,
  isStringLiteral,
  isTemplateExpression,
  isVariableDeclaration,
  type Node,
} from 'typescript/unstable/ast';

/** A program of the compiler, with the questions that the search for broker uses asks it. */
export class SourceProgram {
  readonly checker: Project['checker'];

  constructor(
    readonly project: Project,
    readonly root: string,
  ) {
    this.checker = project.checker;
  }

  /** All files, as paths from the root of the workspace. */
  files(): string[] {
    return this.project.program.getSourceFileNames().map((path) => relative(this.root, path));
  }

  file(path: string) {
    return this.project.program.getSourceFile(`${this.root}/${path}`);
  }

  /** `path:line` of a node. */
  position(node: Node): string {
    const file = node.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
    return `${relative(this.root, file.fileName)}:${line + 1}`;
  }

  /** What a name stands for, through imports. */
  symbolOf(name: Node): Symbol | undefined {
    const symbol = this.checker.getSymbolAtLocation(name);
    const declaration = symbol && this.declarationOf(symbol);
    return symbol && declaration && isImportSpecifier(declaration) ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  declarationOf(symbol: Symbol): Node | undefined {
    return (symbol.valueDeclaration ?? symbol.declarations[0])?.resolve(this.project);
  }

  /** The interface or class that declares a member, also when a type such as `Pick` leads to it. */
  interfaceOf(member: Symbol | undefined): string | undefined {
    const parent = member && this.declarationOf(member)?.parent;
    return parent && (isInterfaceDeclaration(parent) || isClassDeclaration(parent)) ? parent.name?.text : undefined;
  }

  /** The path of a declaration from the root of the workspace. */
  pathOf(handle: NodeHandle): string {
    return relative(this.root, handle.path);
  }

  /** The function that a call runs, when it is declared with `function`. */
  calledFunction(callee: Expression): FunctionDeclaration | undefined {
    if (!isIdentifier(callee)) return undefined;
    const symbol = this.symbolOf(callee);
    const declaration = symbol && this.declarationOf(symbol);
    return declaration && isFunctionDeclaration(declaration) ? declaration : undefined;
  }

  /** Whether an expression is an argument, or becomes the value of a variable or property. */
  isHandedOver(node: Expression): boolean {
    const { parent } = node;
    if (isCallExpression(parent) || isNewExpression(parent)) return parent.arguments?.includes(node) ?? false;
    if (isShorthandPropertyAssignment(parent)) return parent.name === node;
    return (isPropertyAssignment(parent) || isVariableDeclaration(parent)) && parent.initializer === node;
  }

  /** The type that is expected of an expression that is handed over. */
  expectedType(node: Expression): Type | undefined {
    const { parent } = node;
    if (!isShorthandPropertyAssignment(parent)) return this.checker.getContextualType(node);
    const object = isObjectLiteralExpression(parent.parent) && this.checker.getContextualType(parent.parent);
    const property = object && this.checker.getPropertyOfType(object, node.getText());
    return property ? this.checker.getTypeOfSymbol(property) : undefined;
  }

  /** The text that an expression has, with `*` for what is known only at run time. Undefined when nothing of it is known. */
  textPattern(expression: Node): string | undefined {
    if (isStringLiteral(expression) || isNoSubstitutionTemplateLiteral(expression)) return expression.text;
    if (isTemplateExpression(expression))
      return (
        expression.head.text +
        expression.templateSpans
          .map((span) => `${this.#constantOf(span.expression) ?? '*'}${span.literal.text}`)
          .join('')
      );
    if (isIdentifier(expression)) return this.#constantOf(expression);
    if (isCallExpression(expression)) return this.#returnedBy(expression.expression);
    return undefined;
  }

  #constantOf(name: Node): string | undefined {
    const initializer = isIdentifier(name) ? this.#initializerOf(name) : undefined;
    return initializer && this.textPattern(initializer);
  }

  #returnedBy(callee: Node): string | undefined {
    const initializer = isIdentifier(callee) ? this.#initializerOf(callee) : undefined;
    return initializer && isArrowFunction(initializer) ? this.textPattern(initializer.body) : undefined;
  }

  #initializerOf(name: Node): Node | undefined {
    const symbol = this.symbolOf(name);
    const declaration = symbol && this.declarationOf(symbol);
    return declaration && isVariableDeclaration(declaration) ? declaration.initializer : undefined;
  }
}

export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  node.forEachChild((child) => walk(child, visit));
}
