// The port as tests. Each engine runs them on databases of its own; what one of them cannot keep is not in the port.

import { benchOf, type ContractEngine } from './contract.fixture.ts';
import { readsContract } from './reads.contract.ts';
import { writesContract } from './writes.contract.ts';

export function databaseContract(engine: string, make: () => Promise<ContractEngine>): void {
  const bench = benchOf(engine, make);
  writesContract(bench);
  readsContract(bench);
}
