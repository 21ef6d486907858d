/**
 * The sources as a graph: which file imports what, read from the syntax tree (types included, comments not).
 */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import ts from 'typescript'
import { projectRoot } from './project.js'

export interface ImportEdge {
  /** A file below `src` (`torrent/client.ts`), a node module (`node:fs`) or a package (`chokidar`). */
  readonly to: string
  readonly line: number
  /** Leaves nothing behind in the compiled output. */
  readonly typeOnly: boolean
}

export interface SourceFile {
  /** Below `src`, with forward slashes. */
  readonly path: string
  readonly lines: number
  /** How its first statement or comment begins. */
  readonly opening: string
  readonly imports: readonly ImportEdge[]
  /** Names used that are not a member of something, with their lines: `Date`, `setTimeout`. */
  readonly names: ReadonlyMap<string, number>
}

/** Reads every source file. */
export function readSources(root = join(projectRoot, 'src')): SourceFile[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && /\.c?ts$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map(entry => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort()
    .map(path => parseSource(path, readFileSync(join(root, path), 'utf8')))
}

/** Reads one file's text. */
export function parseSource(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
  const imports: ImportEdge[] = []
  const names = new Map<string, number>()
  const lineOf = (node: ts.Node): number => tree.getLineAndCharacterOfPosition(node.getStart()).line + 1
  const add = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return
    imports.push({ to: target(path, specifier.text), line: lineOf(node), typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node, node.moduleSpecifier, isTypeImport(node.importClause))
    } else if (ts.isExportDeclaration(node)) {
      const { exportClause } = node
      const allTypes =
        exportClause !== undefined &&
        ts.isNamedExports(exportClause) &&
        exportClause.elements.every(element => element.isTypeOnly)
      add(node, node.moduleSpecifier, node.isTypeOnly || allTypes)
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], false)
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true)
    } else if (ts.isIdentifier(node) && !isMemberName(node)) {
      names.set(node.text, lineOf(node))
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
  const opening = text.replace(/^#!.*\n/, '').slice(0, 40)
  return { path, lines: text.trimEnd().split('\n').length, opening, imports, names }
}

function target(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return packageOf(specifier)
  const path = posix.normalize(posix.join(dirname(from), specifier))
  return path.replace(/\.js$/, '.ts').replace(/\.cjs$/, '.cts')
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.isTypeOnly) return true
  const bindings = clause.namedBindings
  return (
    clause.name === undefined &&
    bindings !== undefined &&
    ts.isNamedImports(bindings) &&
    bindings.elements.every(element => element.isTypeOnly)
  )
}

/** `b` of `a.b` and of `{ b: 1 }`: no use of something called `b`. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node
  if (ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent)) return parent.name === node
  return ts.isMethodDeclaration(parent) || ts.isPropertyDeclaration(parent) || ts.isMethodSignature(parent)
}
