// Kysely's two compilers, taught our words.

import { type FunctionNode, PostgresQueryCompiler, SqliteQueryCompiler } from 'kysely';
import { spell } from './words.ts';

export class SqliteCompiler extends SqliteQueryCompiler {
  protected override visitFunction(node: FunctionNode): void {
    const write = { text: (sql: string) => this.append(sql), node: this.visitNode };
    if (!spell('sqlite', node, write)) super.visitFunction(node);
  }
}

export class PostgresCompiler extends PostgresQueryCompiler {
  protected override visitFunction(node: FunctionNode): void {
    const write = { text: (sql: string) => this.append(sql), node: this.visitNode };
    if (!spell('postgres', node, write)) super.visitFunction(node);
  }
}
