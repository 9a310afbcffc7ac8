// What makes an older copy of a file show. Each store counts its commits (its generation) and writes beside it how much of the
// audit log was signed at that time (its witness), in the very transaction that commits. Somebody else, the anchors, remembers
// the generations: a store that comes back with a smaller one is an older copy, and so is a log that is shorter than a store has
// seen. order matters: an anchor names only what is durable already, so a crash between the two can never look like an older copy.

export type Stamp = {
  /** Commits so far; 0 for a file that was never stamped. */
  readonly generation: number;
  /** Records of the audit log that were signed when it was last written. */
  readonly witness: number;
};

export type Anchors = {
  /**
   * A store was opened. Throws Failure `integrity` StoreRolledBack when it is older than its anchor, or has seen more of the log
   * than there is. Answers the generation to go on from: larger than its own where an operator accepted the older copy.
   */
  admit(store: string, stamp: Stamp): number;
  /** After a commit that is durable. */
  committed(store: string, generation: number): void;
  /** Records of the log that are signed, durably: what this store is to write beside its commits. */
  witness(store: string): number;
  /** Before a store is removed for good. Resolves when that is recorded. */
  forget(store: string): Promise<void>;
};
