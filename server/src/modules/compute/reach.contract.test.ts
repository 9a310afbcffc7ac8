import { reachContract } from './reach.contract.ts';
import { openReached } from './testing/reached.ts';

reachContract('by a socket of this machine', () => openReached('unix'));
reachContract('through the agent’s own connections', () => openReached('tunnel'));
